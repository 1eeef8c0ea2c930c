"""PURE: seats, and a fair queue before them. No clock, no tasks: `turns` says who is next.

The next request is the one with the smallest *finish tag* (self-clocked fair queueing, Golestani 1994): the
queue's progress, or the tag of its client's last request, plus its seats. So a client with one request waits
for one request of each other client at most, and a client with wide requests gets no more than its part. It is
done between addresses, and between the connections of an address: many connections gain nothing over other
addresses. Kubernetes deals users to 64 or 128 queues by shuffle sharding; here each client has its own, which
costs nothing when nobody waits and cannot collide.

A client may have as many requests waiting as there is room left (dynamic thresholds, Choudhury and Hahne
1998): a noisy one fills half of the room at most, and clients with nothing waiting always find some.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from sortedcontainers import SortedList

T = TypeVar("T")


class Client(NamedTuple):
    """Who calls, for fairness: a user or an address, and one of its connections."""

    address: str
    connection: str = ""


@dataclass(slots=True, eq=False)
class Ticket(Generic[T]):
    """A place in the queue."""

    client: Client
    seats: int
    item: T


class _Line(Generic[T]):
    """What waits of one connection, oldest first. `tag` is that of the first."""

    __slots__ = ("tag", "tickets")

    def __init__(self) -> None:
        self.tickets: OrderedDict[Ticket[T], None] = OrderedDict()
        self.tag = 0.0

    @property
    def seats(self) -> int:
        """Of the first."""
        return next(iter(self.tickets)).seats


class _Turns(Generic[T]):
    """Lines by name, in the order of their tags."""

    __slots__ = ("_numbers", "order", "progress")

    def __init__(self) -> None:
        #: tag of what was served last
        self.progress = 0.0
        #: (tag, number of its coming, name)
        self.order: SortedList = SortedList()
        self._numbers = 0

    def place(self, name: str, tag: float) -> tuple[float, int, str]:
        self._numbers += 1
        entry = (tag, self._numbers, name)
        self.order.add(entry)
        return entry


class _Address(Generic[T]):
    """The lines of one address."""

    __slots__ = ("entry", "lines", "places", "turns", "waiting")

    def __init__(self) -> None:
        self.lines: dict[str, _Line[T]] = {}
        self.places: dict[str, tuple[float, int, str]] = {}
        self.turns: _Turns[T] = _Turns()
        self.waiting = 0
        self.entry: tuple[float, int, str] = (0.0, 0, "")

    @property
    def seats(self) -> int:
        """Of the request whose turn it is."""
        return self.lines[self.turns.order[0][2]].seats


class FairQueue(Generic[T]):
    """So many seats, and what waits for them. Owned by one event loop."""

    def __init__(self, seats: int, room: int) -> None:
        """Make a queue of so many seats, with room for so many requests; one that is wider takes all seats."""
        self.seats, self.room = seats, room
        self.in_use = self.waiting = 0
        self._addresses: dict[str, _Address[T]] = {}
        self._turns: _Turns[T] = _Turns()

    def take(self, seats: int) -> bool:
        """Take seats at once, if they are free and nobody waits. The quick way."""
        if self.waiting or self.in_use + seats > self.seats:
            return False
        self.in_use += seats
        return True

    def push(self, client: Client, seats: int, item: T) -> Ticket[T] | None:
        """Wait for seats; None when there is no room for this client. Follow with `turns`."""
        address = self._addresses.get(client.address)
        line = None if address is None else address.lines.get(client.connection)
        free = self.room - self.waiting
        if free <= 0 or (address is not None and address.waiting >= free):
            return None
        # Within an address a connection leaves half of the room to the others.
        if line is not None and len(line.tickets) * 2 >= free:
            return None
        ticket = Ticket(client, seats, item)
        if address is None:
            address = self._addresses[client.address] = _Address()
        if line is None:
            line = address.lines[client.connection] = _Line()
        line.tickets[ticket] = None
        address.waiting += 1
        self.waiting += 1
        if len(line.tickets) == 1:
            line.tag = address.turns.progress + seats
            address.places[client.connection] = address.turns.place(client.connection, line.tag)
        if address.waiting == 1:
            address.entry = self._turns.place(client.address, self._turns.progress + seats)
        return ticket

    def turns(self) -> list[T]:
        """Give free seats to those whose turn it is; returns their items. `finish` each once."""
        found: list[T] = []
        while self.waiting:
            address = self._addresses[self._turns.order[0][2]]
            seats = min(address.seats, self.seats)
            if self.in_use + seats > self.seats:
                break
            self.in_use += seats
            found.append(self._pop(address).item)
        return found

    def finish(self, seats: int) -> None:
        """Give seats back. Follow with `turns` when somebody waits."""
        self.in_use -= min(seats, self.seats)

    def remove(self, ticket: Ticket[T]) -> bool:
        """Take a request out that waits no longer; False when it is not in the queue: its turn has come."""
        address = self._addresses.get(ticket.client.address)
        line = None if address is None else address.lines.get(ticket.client.connection)
        if address is None or line is None or ticket not in line.tickets:
            return False
        del line.tickets[ticket]
        self.waiting -= 1
        address.waiting -= 1
        if not line.tickets:
            self._forget_line(address, ticket.client.connection)
        if not address.waiting:
            self._turns.order.remove(address.entry)
            del self._addresses[ticket.client.address]
        return True

    def _pop(self, address: _Address[T]) -> Ticket[T]:
        """Take out the first of an address, and put line and address in their new places."""
        self._turns.order.remove(address.entry)
        self._turns.progress = address.entry[0]
        name = address.turns.order[0][2]
        line = address.lines[name]
        address.turns.progress = line.tag
        ticket, _ = line.tickets.popitem(last=False)
        self.waiting -= 1
        address.waiting -= 1
        if line.tickets:
            address.turns.order.remove(address.places[name])
            line.tag += line.seats
            address.places[name] = address.turns.place(name, line.tag)
        else:
            self._forget_line(address, name)
        if address.waiting:
            address.entry = self._turns.place(ticket.client.address, address.entry[0] + address.seats)
        else:
            del self._addresses[ticket.client.address]
        return ticket

    def _forget_line(self, address: _Address[T], name: str) -> None:
        address.turns.order.remove(address.places.pop(name))
        del address.lines[name]
