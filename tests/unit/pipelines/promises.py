"""What each job promises: when it runs, whom it waits for, and what it does, in order."""

from __future__ import annotations

from typing import NamedTuple


class Promise(NamedTuple):
    """Of one job."""

    does: tuple[str, ...]  # parts of what its steps say, in their order
    condition: str | None = None
    needs: str | tuple[str, ...] | None = None
    environment: str | None = None
    step_conditions: tuple[str, ...] = ()  # of the steps that have one


PULL_REQUEST = "github.event_name == 'pull_request'"
OF_THIS_REPOSITORY = "github.event.workflow_run.head_repository.full_name == github.repository"
ONCE_TESTED = (
    f"{PULL_REQUEST} || (github.event.workflow_run.conclusion == 'success' && "
    f"github.event.workflow_run.event == 'push' && {OF_THIS_REPOSITORY})"
)
HAS_ACCOUNT = "steps.account.outputs.given"
HAS_NAMESPACE = "env.USERNAME != ''"
TESTED_COMMIT = "commit: ${{ github.event.workflow_run.head_sha || github.sha }}\n"
CALLS = "uses: ./.github/workflows/docker_image.yml\n"
WORDS = 'read -ra words <<<"$WORDS"\n'
PUSHED = "${{ secrets.DOCKER_HUB_USERNAME }}/fleetpulse-${{ inputs.image }}"
ON_MAIN = (
    "github.event_name == 'workflow_run' && vars.TERRAFORM_ENVIRONMENT != '' && "
    "github.event.workflow_run.conclusion == 'success' && "
    f"github.event.workflow_run.event == 'workflow_run' && {OF_THIS_REPOSITORY}"
)


def only_newest(commit: str) -> tuple[str, ...]:
    """Main is checked out, and has to be that commit."""
    return (
        "uses: actions/checkout\n",
        "ref: main\n",
        f"COMMIT: ${{{{ {commit} }}}}\n",
        'if [[ $(git rev-parse HEAD) != "$COMMIT" ]]; then',
        "exit 1\nfi\n",
    )


FOR_TERRAFORM = (
    "uses: ./.github/actions/terraform\n",
    "environment: ${{ vars.TERRAFORM_ENVIRONMENT }}\n",
    "region: ${{ vars.AWS_REGION || 'us-east-1' }}\n",
    "role: ${{ vars.AWS_ROLE }}\n",
    "role-seconds: ",
    "access-key: ${{ secrets.AWS_ACCESS_KEY }}\n",
    "secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n",
    "cloud-token: ${{ secrets.TF_CLOUD_TOKEN }}\n",
    "cloud-organization: ${{ vars.TF_CLOUD_ORGANIZATION }}\n",
    "bucket: ${{ vars.TF_STATE_BUCKET }}\n",
)


def image(name: str, dockerfile: str, *more: str) -> Promise:
    """An image that is built once the tests have passed."""
    said = (CALLS, f"image: {name}\n", f"dockerfile: {dockerfile}\n", TESTED_COMMIT, *more)
    return Promise(said, condition=ONCE_TESTED)


PROMISES = {
    "docker_agent-image": image(
        "agent", "generators/Dockerfile", "platforms: linux/amd64,linux/arm64\n", "words: pc\n"
    ),
    "docker_consumer-image": image("consumer", "consumer/Dockerfile"),
    "docker_flask-image": image("api", "api/Dockerfile"),
    "docker_notify-image": image("notify", "fleetpulse/actions/Dockerfile"),
    "docker_telegram-image": Promise(
        (CALLS, "image: bot\n", "dockerfile: bot/Dockerfile\n", "commit: ${{ github.sha }}\n")
    ),
    "docker_image-try": Promise(
        (
            "uses: actions/checkout\n",
            "ref: ${{ inputs.commit }}\n",
            "uses: docker/build-push-action\n",
            "file: ${{ inputs.dockerfile }}\n",
            "load: True\n",
            "tags: tried\n",
            f'run: {WORDS}scripts/start_image.sh tried linux/amd64 "${{words[@]}}"\n',
        ),
    ),
    "docker_image-push": Promise(
        (
            "id: account\n",
            "if [[ $USERNAME && $TOKEN ]]; then",
            "uses: actions/checkout\n",
            "ref: ${{ inputs.commit }}\n",
            "uses: docker/setup-qemu-action\n",
            "uses: docker/login-action\n",
            "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
            "uses: docker/build-push-action\n",
            "file: ${{ inputs.dockerfile }}\n",
            "platforms: ${{ inputs.platforms }}\n",
            f"outputs: type=image,name={PUSHED},push=true,push-by-digest=true,name-canonical=true,"
            "rewrite-timestamp=true\n",
            "provenance: mode=max\n",
            "sbom: True\n",
            f"IMAGE: {PUSHED}\n",
            "DIGEST: ${{ steps.build.outputs.digest }}\n",
            "COMMIT: ${{ inputs.commit }}\n",
            "PLATFORMS: ${{ inputs.platforms }}\n",
            f"run: {WORDS}for platform in ${{PLATFORMS//,/ }}; do\n"
            '  docker pull --quiet --platform "$platform" "$IMAGE@$DIGEST"\n'
            '  scripts/start_image.sh "$IMAGE@$DIGEST" "$platform" "${words[@]}"\n'
            '  docker image rm "$IMAGE@$DIGEST"',
            'done\ndocker buildx imagetools create --tag "$IMAGE:$COMMIT" --tag "$IMAGE:main"'
            ' "$IMAGE@$DIGEST"\n',
        ),
        condition="inputs.push",
        needs="try",
        environment="docker-hub",
        step_conditions=(
            HAS_ACCOUNT,
            f"{HAS_ACCOUNT} && inputs.platforms != 'linux/amd64'",
            *[HAS_ACCOUNT] * 5,
        ),
    ),
    "lint-delivery": Promise(("uses: actions/checkout\n", "run: scripts/check_delivery.sh\n")),
    "unittests-gate": Promise(("uses: actions/checkout\n", "run: bash .ci/run\n")),
    "unittests-versions": Promise(
        (
            "uses: actions/checkout\n",
            "python-version: ${{ matrix.python }}\n",
            "run: PYTHON=python scripts/install.sh .venv all,test\n",
            'run: .venv/bin/pytest -q -n 4 -m "not integration"\n',
        )
    ),
    "terraform-check": Promise(
        (
            "run: terraform fmt -check -recursive -diff\n",
            "run: terraform init -input=false -backend=false\n",
            "run: terraform validate\n",
        ),
        condition=PULL_REQUEST,
    ),
    "terraform-plan": Promise(
        (
            "uses: actions/checkout\n",
            "fetch-depth: 2\n",
            *FOR_TERRAFORM,
            'run: scripts/plan.sh "$ENVIRONMENT" "$USERNAME" "$(git rev-parse HEAD^1)"\n',
        ),
        condition=f"{PULL_REQUEST} && vars.TERRAFORM_ENVIRONMENT != '' && "
        "github.event.pull_request.head.repo.full_name == github.repository",
        needs="check",
        environment="aws-plan",
    ),
    "terraform-proposal": Promise(
        (
            "TITLE: ${{ github.event.workflow_run.display_title }}\n",
            r"[[ $TITLE =~ ^api\ image\ of\ ([0-9a-f]{40})$ ]]",
            'echo "commit=${BASH_REMATCH[1]}" >>"$GITHUB_OUTPUT"',
            *only_newest("steps.image.outputs.commit"),
            *FOR_TERRAFORM,
            "COMMIT: ${{ steps.image.outputs.commit }}\n",
            'run: scripts/plan.sh "$ENVIRONMENT" "$USERNAME" "$COMMIT"\n',
        ),
        condition=ON_MAIN,
        environment="aws-plan",
    ),
    "terraform-apply": Promise(
        (
            *only_newest("needs.proposal.outputs.commit"),
            "uses: docker/login-action\n",
            "COMMIT: ${{ needs.proposal.outputs.commit }}\n",
            'run: scripts/wait_for_images.sh "$USERNAME" "$COMMIT" api consumer bot notify\n'
            'scripts/name_images.sh "$USERNAME" "$COMMIT" >iac/images.tfvars.json\n',
            *FOR_TERRAFORM,  # only now: a login to AWS ends
            'run: values=(-var-file="envs/$ENVIRONMENT/terraform.tfvars")\n'
            "if [[ $USERNAME ]]; then values+=(-var-file=images.tfvars.json); fi\n"
            'terraform apply -input=false -auto-approve "${values[@]}"\n',
        ),
        condition=ON_MAIN,
        needs="proposal",
        environment="aws",
        step_conditions=(HAS_NAMESPACE,) * 2,
    ),
    "release-unittests": Promise(("uses: ./.github/workflows/unittests.yml\n",)),
    "release-build": Promise(
        (
            "fetch-depth: 0\n",
            'run: git merge-base --is-ancestor "$GITHUB_SHA" origin/main\n'
            'python -m scripts.release_notes "$GITHUB_REF_NAME" >notes.md\n',
            "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) python -m build\n",
            "tools/bin/cyclonedx-py environment",
            '--output-file "fleetpulse-${GITHUB_REF_NAME#v}.cdx.json" installed/bin/python\n',
            "name: packages\npath: dist/\nif-no-files-found: error\n",
            "name: papers\npath: notes.md\n*.cdx.json\n\nif-no-files-found: error\n",
        )
    ),
    "release-attest": Promise(
        ("name: packages\npath: dist\n", "uses: actions/attest\n", "subject-path: dist/*\n"),
        needs=("unittests", "build"),
    ),
    "release-pypi": Promise(
        ("name: packages\npath: dist\n", "uses: pypa/gh-action-pypi-publish\n"),
        condition="vars.PYPI_PROJECT != ''",
        needs="attest",
        environment="pypi",
    ),
    "release-github": Promise(
        (
            'gh release create "$GITHUB_REF_NAME"',
            "--verify-tag",
            "--notes-file papers/notes.md packages/* papers/*.cdx.json\n",
        ),
        needs="attest",
    ),
    "release-images": Promise(
        (
            "uses: docker/login-action\n",
            "images=(api consumer bot notify agent)\n"
            'scripts/wait_for_images.sh "$USERNAME" "$GITHUB_SHA" "${images[@]}"\n'
            'for image in "${images[@]}"; do\n',
            'imagetools create --tag "$USERNAME/fleetpulse-$image:${GITHUB_REF_NAME#v}"',
            '"$USERNAME/fleetpulse-$image:$GITHUB_SHA"\n',
        ),
        needs="attest",
        environment="docker-hub",
        step_conditions=(HAS_NAMESPACE,) * 2,
    ),
    "action-terraform": Promise(
        (
            "uses: hashicorp/setup-terraform\n",
            "uses: aws-actions/configure-aws-credentials\nif: inputs.role != ''\n"
            "role-to-assume: ${{ inputs.role }}\n"
            "role-duration-seconds: ${{ inputs.role-seconds }}\n",
            "uses: aws-actions/configure-aws-credentials\nif: inputs.role == ''\n"
            "aws-access-key-id: ${{ inputs.access-key }}\n"
            "aws-secret-access-key: ${{ inputs.secret-access-key }}\n",
            "ENVIRONMENT: ${{ inputs.environment }}\n",
            "WORKSPACE: fleetpulse-${{ inputs.environment }}",
            "if [[ $TOKEN ]]; then",
            '"$TF_CLOUD_ORGANIZATION" "$WORKSPACE" >backend.tf\n',
            "cp backend.tf.example backend.tf\n",
            '-backend-config="bucket=$BUCKET"',
            '-backend-config="key=fleetpulse/$ENVIRONMENT.tfstate"',
        ),
        step_conditions=("inputs.role != ''", "inputs.role == ''"),
    ),
}
