"""How does a program that refuses to run as root run for root, and end when we end?

Run as a script by `shared.postgres`, never imported: it changes what this process is, then becomes the
program by exec, so no wrapper stays. As a script it spares us `preexec_fn`, which is unsafe beside threads.

    python -I -S launch.py SIGNAL PARENT HOW PROGRAM [ARGUMENT ...]

SIGNAL is sent to the program when its parent dies (0: none; Linux only). HOW is one of

- `same`: as the user that we are.
- `namespace`: in a user namespace with another number for our user; files keep their owner, no right is left.
- `uid:N`: as the user N, keeping the one capability to walk through folders closed to others (a checkout in
  root's 0700 home): for root where user namespaces are forbidden, as in most containers.
"""

import ctypes
import os
import pwd
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    # initdb looks its user up by number, so it has to be one that exists; `nobody` exists nearly everywhere.
    known = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    inside = 65534 if 65534 in known or not known else known[0]
    check(libc.unshare(CLONE_NEWUSER))
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"{group} {group} 1"),
        ("uid_map", f"{inside} {user} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def become(user: int) -> None:
    check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    # Without this bit access(2), by which initdb looks for its companions, leaves the capability out of account.
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    try:
        group = pwd.getpwuid(user).pw_gid
    except KeyError:
        group = user
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    # An ambient capability survives exec. Where it is not to be had, the program may still reach its files.
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; then their upper halves
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, sets) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main() -> None:
    signal, parent, how, *program = sys.argv[1:]
    if how == "namespace":
        enter_namespace()
    elif how != "same":
        become(int(how.removeprefix("uid:")))
    if signal != "0" and sys.platform == "linux":
        check(libc.prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0))  # last: a change of user clears it
        if os.getppid() != int(parent):  # it died before we said so
            sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"launch: {error}")
