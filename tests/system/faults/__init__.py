"""What the fault tests are made of: processes that fail where they are told to, a stage for them, the invariants."""
