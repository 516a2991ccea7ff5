"""The rules of recruiting, pure: `steps` is the process as data, `employees` what may become of those who work here."""
