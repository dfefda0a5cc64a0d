"""One idea per file: each is a function from batch to batch, or builds one."""
