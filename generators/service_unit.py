"""The text of the systemd unit that runs an agent, and of the file with its settings.

What the unit allows and why: docs/decisions/0011-agent-service.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleetpulse.errors import SettingsError

SERVICE = "fleetpulse-agent"
UNIT_FILE = f"etc/systemd/system/{SERVICE}.service"  # below the root
WANTED_FILE = f"etc/systemd/system/multi-user.target.wants/{SERVICE}.service"
SETTINGS_FILE = "etc/fleetpulse/agent.env"
# DynamicUser keeps the folder in private/ and a link where one looks for it.
STATE_FOLDERS = (f"var/lib/{SERVICE}", f"var/lib/private/{SERVICE}")
KINDS = ("pc", "raspberry")
# What a Pi's firmware and pins are reached through; a group that a system lacks is left out.
PI_GROUPS = ("video", "gpio")
PI_DEVICES = ("/dev/vcio", "/dev/vchiq", "/dev/gpiomem", "char-gpiochip")

_UNIT = """\
# Written by `fleetpulse agent install`, which writes it anew. Changes of your own belong into
# /etc/systemd/system/{service}.service.d/*.conf, settings into /{settings}.
[Unit]
Description=fleetpulse agent ({kind}): measures this machine
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
ExecStart={command}
EnvironmentFile=/{settings}
Environment=FLEETPULSE_DATA=%S/{service}
StateDirectory={service}
StateDirectoryMode=0700
UMask=0077
Restart=always
RestartSec=5
# The agent sets this anew by how often it measures.
WatchdogSec=180
TimeoutStopSec=15
# One sentence at start-up says what is wrong; starting again at once would not mend it.
RestartPreventExitStatus=2

DynamicUser=yes
User={service}
{devices}
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
MemoryMax=256M
TasksMax=64

[Install]
WantedBy=multi-user.target
"""


def unit_text(kind: str, interpreter: str, groups: Sequence[str]) -> str:
    """The unit for this kind of machine.

    interpreter: the Python that fleetpulse is installed for. groups: those that the system has.
    """
    return _UNIT.format(
        service=SERVICE,
        kind=kind,
        settings=SETTINGS_FILE,
        command=f"{_word(interpreter)} -m generators {kind}",
        devices="\n".join(_devices(kind, groups)),
    )


def _devices(kind: str, groups: Sequence[str]) -> list[str]:
    """What may be reached below /dev: nothing but pseudo devices on a PC."""
    if kind == "pc":
        return ["PrivateDevices=yes", "DevicePolicy=closed"]
    allowed = [f"DeviceAllow={device} rw" for device in PI_DEVICES]
    own = " ".join(group for group in PI_GROUPS if group in groups)
    return ["DevicePolicy=closed", *allowed, *([f"SupplementaryGroups={own}"] if own else [])]


def _word(text: str) -> str:
    """One word of a command line in a unit. Raises SettingsError for what cannot be one."""
    if not text.isprintable() or "$" in text:
        raise SettingsError(f"{text!r} cannot be in a unit: install fleetpulse elsewhere.")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(text) & set(" '\";\\") else escaped


def settings_text(values: Mapping[str, str]) -> str:
    """The lines of an EnvironmentFile. Raises SettingsError that names what cannot be in one."""
    broken = [name for name, value in values.items() if not value.isprintable()]
    if broken:
        raise SettingsError(f"Wrong settings: {', '.join(broken)}: must be one line of text.")
    lines = (f"{name}={_quoted(value)}\n" for name, value in sorted(values.items()))
    return "# Settings of the fleetpulse agent; it may hold its key, so only root reads it.\n" + (
        "".join(lines)
    )


def _quoted(value: str) -> str:
    for special in ("\\", '"', "$", "`"):
        value = value.replace(special, f"\\{special}")
    return f'"{value}"'
