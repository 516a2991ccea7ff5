"""How fast is Headset, beside what the machine can do? `make bench`; see `bench/README.md`."""
