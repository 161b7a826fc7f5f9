"""Local users of this host, each a process that does what a test tells it."""
import ast
import contextlib
import json
import mmap
import os
import signal

UID = {"ann": 61001, "bob": 61002, "carol": 61003, "nobody": 61009}


def write(path, data):
    """close(2) tells whether it is in S3."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


class Person:
    """A process of that local user: runs what it is told and keeps what it opened."""

    def __init__(self, name):
        self.requests, theirs = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            uid = UID.get(name, 0)
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                os.close(self.requests[1])
                os.close(theirs[0])
                self.serve(os.fdopen(self.requests[0]), os.fdopen(theirs[1], "w", buffering=1))
            finally:
                os._exit(0)
        os.close(self.requests[0])
        os.close(theirs[1])
        self.to = os.fdopen(self.requests[1], "w", buffering=1)
        self.of = os.fdopen(theirs[0])

    @staticmethod
    def serve(requests, answers):
        known = {"os": os, "mmap": mmap, "write": write, "kept": {}}
        for line in requests:
            try:
                answer = {"value": repr(eval(json.loads(line), known))}
            except OSError as e:
                answer = {"errno": e.errno}
            except Exception as e:  # told to the test
                answer = {"broken": repr(e)}
            answers.write(json.dumps(answer) + "\n")

    def start(self, expression):
        self.to.write(json.dumps(expression) + "\n")

    def answer(self):
        got = json.loads(self.of.readline())
        assert "broken" not in got, got
        if "errno" in got:
            raise OSError(got["errno"], os.strerror(got["errno"]))
        return ast.literal_eval(got["value"])

    def __call__(self, expression):
        self.start(expression)
        return self.answer()

    def read(self, path):
        return self(f"open({str(path)!r}, 'rb').read()")

    def write(self, path, data):
        return self(f"write({str(path)!r}, {data!r})")

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        self.to.close()
        self.of.close()
        os.waitpid(self.pid, 0)


@contextlib.contextmanager
def gathered():
    """people("ann"): ann's process, always the same one; all end with the block."""
    made = {}

    def person(name):
        if name not in made:
            made[name] = Person(name)
        return made[name]
    try:
        yield person
    finally:
        for p in made.values():
            p.end()
