"""The rules of recruiting, pure: `steps` is the process as data, `employees` what may become of somebody who works here."""
