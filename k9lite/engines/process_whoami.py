"""The image `k9lite/whoami`: a small HTTP/1.1 server that says who answered.

Run as a script, either for one container or as the nursery that forks one process for each:

    python -I -S process_whoami.py serve POD NAMESPACE IMAGE FD...
    python -I -S process_whoami.py nursery FD

The engine has opened the listening sockets (FD...), so not one connection is refused while a server starts. Only C
modules are imported, which makes Python start in about 10 ms of CPU; a fork of the nursery takes 1 ms. On SIGTERM a
server takes no more connections, answers what it has been asked, and ends.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import posix
import select
import sys

MAX_HEAD = 64 * 1024


class Connection:
    """One client: what it has sent and what it is still to get."""

    __slots__ = ("closing", "inbox", "outbox", "peer", "socket")

    def __init__(self, socket: _socket.socket, peer: tuple[str, int]) -> None:
        self.socket = socket
        self.peer = peer
        self.inbox = b""
        self.outbox = b""
        self.closing = False


class Server:
    """All connections of the process, in one poll loop."""

    def __init__(self, who: tuple[str, str, str], listeners: list[_socket.socket]) -> None:
        self.who = who
        self.listeners = {listener.fileno(): listener for listener in listeners}
        self.connections: dict[int, Connection] = {}
        self.poll = select.epoll() if hasattr(select, "epoll") else select.poll()
        self.draining = False

    def run(self) -> None:
        """Serve until SIGTERM and the last open request."""
        wake, waker = posix.pipe()
        posix.set_blocking(waker, False)
        posix.set_blocking(wake, False)
        _signal.set_wakeup_fd(waker)
        _signal.signal(_signal.SIGTERM, self.on_signal)
        _signal.signal(_signal.SIGINT, self.on_signal)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        self.poll.register(wake, select.POLLIN)
        for number, listener in self.listeners.items():
            listener.setblocking(False)
            self.poll.register(number, select.POLLIN)
        while self.connections or not self.draining:
            for number, event in self.poll.poll():
                if number in self.listeners:
                    self.accept(self.listeners[number])
                elif number in self.connections:
                    self.serve(self.connections[number], event)
                else:
                    posix.read(wake, 512)
            if self.draining and self.listeners:
                self.drain()

    def on_signal(self, *_: object) -> None:
        self.draining = True

    def drain(self) -> None:
        """Take what was already accepted by the kernel, then listen no more; let idle clients go."""
        for number, listener in self.listeners.items():
            self.accept(listener)
            self.poll.unregister(number)
            try:  # noqa: SIM105 - contextlib would cost start-up time
                listener.shutdown(_socket.SHUT_RD)
            except OSError:
                pass
            listener.close()
        self.listeners = {}
        for connection in list(self.connections.values()):
            self.serve(connection, select.POLLIN)
            if not connection.inbox and not connection.outbox:
                self.close(connection)

    def accept(self, listener: _socket.socket) -> None:
        while True:
            try:
                number, peer = listener._accept()  # type: ignore[attr-defined]
            except OSError:
                return
            made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, number)
            made.setblocking(False)
            made.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self.connections[number] = Connection(made, peer)
            self.poll.register(number, select.POLLIN)

    def serve(self, connection: Connection, event: int) -> None:
        try:
            if event & ~select.POLLOUT:
                chunk = connection.socket.recv(65536)
                connection.inbox += chunk
                self.answer(connection)
                if not chunk:
                    connection.closing = True
            self.flush(connection)
        except BlockingIOError:
            pass
        except OSError:
            self.close(connection)

    def flush(self, connection: Connection) -> None:
        if connection.outbox:
            sent = connection.socket.send(connection.outbox)
            connection.outbox = connection.outbox[sent:]
            wanted = select.POLLIN | select.POLLOUT if connection.outbox else select.POLLIN
            self.poll.modify(connection.socket.fileno(), wanted)
        if connection.closing and not connection.outbox:
            self.close(connection)

    def close(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        if number >= 0 and number in self.connections:
            self.poll.unregister(number)
            del self.connections[number]
            connection.socket.close()

    def answer(self, connection: Connection) -> None:
        """Answer every whole request that has arrived."""
        while not connection.closing:
            head, separator, rest = connection.inbox.partition(b"\r\n\r\n")
            if not separator:
                connection.closing = len(head) > MAX_HEAD
                return
            lines = head.decode("latin-1").split("\r\n")
            split = (line.partition(":") for line in lines[1:])
            fields = {name.strip().lower(): value.strip() for name, _, value in split}
            stated = fields.get("content-length", "0")
            length = int(stated) if stated.isdigit() else 0
            if len(rest) < length:
                if fields.get("expect", "").lower() == "100-continue" and not rest:
                    connection.outbox += b"HTTP/1.1 100 Continue\r\n\r\n"
                return
            connection.inbox = rest[length:]
            keep = lines[0].endswith("HTTP/1.1") and fields.get("connection", "").lower() != "close"
            keep = keep and not self.draining and "transfer-encoding" not in fields
            self.respond(connection, lines, keep)

    def respond(self, connection: Connection, lines: list[str], keep: bool) -> None:
        pod, namespace, image = self.who
        host, port = connection.peer
        request = "\n".join(lines)
        text = f"Hostname: {pod}\nNamespace: {namespace}\nImage: {image}\nRemoteAddr: {host}:{port}\n\n{request}\n"
        body = text.encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        connection.outbox += head.encode() + (b"" if lines[0].startswith("HEAD ") else body)
        connection.closing = not keep
        say(f'{host} "{lines[0]}" 200')


def say(line: str) -> None:
    """One line of the log; a log that cannot be written is no reason to stop answering."""
    try:  # noqa: SIM105
        posix.write(1, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        pass


def serve(pod: str, namespace: str, image: str, numbers: list[int]) -> None:
    """One container's life."""
    listeners = [_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, number) for number in numbers]
    for listener in listeners:
        host, port = listener.getsockname()
        say(f"{pod} listens on {host}:{port}")
    Server((pod, namespace, image), listeners).run()


def nursery(number: int) -> None:
    """Fork a server for each message until the engine closes its end.

    A message is `directory, pod, namespace, image` separated by NUL, with the listening sockets attached. The server
    answers with its pid once it leads a session of its own and has written its record.
    """
    engine = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, number)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGINT))
    while True:
        message, attached, _, _ = engine.recvmsg(65536, _socket.CMSG_SPACE(64 * 4))
        if not message:
            return
        numbers = [
            int.from_bytes(data[at : at + 4], sys.byteorder) for _, _, data in attached for at in range(0, len(data), 4)
        ]
        directory, pod, namespace, image = message.decode().split("\0")
        if posix.fork() == 0:
            try:
                settle(directory)
                engine.send(str(posix.getpid()).encode())
                engine.close()
                serve(pod, namespace, image, numbers)
                code = 0
            except BaseException as error:
                say(f"{type(error).__name__}: {error}")
                code = 1
            write(f"{directory}/exit", f"{code}\n")
            posix._exit(code)
        for descriptor in numbers:
            posix.close(descriptor)


def settle(directory: str) -> None:
    """Become a container of its own: session, log, record."""
    posix.setsid()
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    log = posix.open(f"{directory}/log", posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o600)
    posix.dup2(log, 1)
    posix.dup2(log, 2)
    posix.close(log)
    posix.chdir(directory)
    line = read(f"/proc/{posix.getpid()}/stat").rstrip("\n")
    write(f"{directory}/run", f"{line}\n{read('/proc/sys/kernel/random/boot_id')}")


def read(path: str) -> str:
    number = posix.open(path, posix.O_RDONLY)
    content = posix.read(number, 4096)
    posix.close(number)
    return content.decode("utf-8", "replace")


def write(path: str, text: str) -> None:
    number = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o600)
    posix.write(number, text.encode("utf-8", "replace"))
    posix.close(number)


def main() -> None:
    mode, *words = sys.argv[1:]
    if mode == "nursery":
        nursery(int(words[0]))
    else:
        serve(words[0], words[1], words[2], [int(number) for number in words[3:]])


if __name__ == "__main__":
    main()
