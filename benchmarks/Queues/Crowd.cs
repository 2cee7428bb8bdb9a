using System.Runtime.CompilerServices;

namespace ConcertSaga.Benchmarks.Queues;

internal enum CustomerState : byte
{
    /// <summary>Has not entered the queue.</summary>
    Away,

    /// <summary>Has a waiting token.</summary>
    Waiting,

    /// <summary>Left without notice.</summary>
    Vanished,

    /// <summary>Has a pass.</summary>
    Inside,

    /// <summary>Has bought a seat.</summary>
    Finished,

    /// <summary>Returned after the offer had expired.</summary>
    TooLate
}

[InlineArray(32)]
internal struct Signature
{
    private byte _first;
}

/// <summary>One of a million customers. It keeps the parts in which waiting tokens differ, not their text.</summary>
internal struct WaitingCustomer
{
    public Guid TokenId;
    public Signature Signature;
    public int IssuedAt, Exp, Number, Position;

    /// <summary>The tick of the next poll, and the next customer in the same list.</summary>
    public int Due, Next;

    public CustomerState State;
    public byte Key, PollAfter;
}

/// <summary>
/// All customers, with a timer wheel of their next polls. Each tick of the wheel has a list of customers; connections take those that are
/// due. Customers near the front have their own connections. A machine that cannot carry all due polls delays the crowd and not the front,
/// as enough gateways would.
/// </summary>
internal sealed class Crowd(int size, int near, TimeProvider clock)
{
    public const int TicksPerSecond = 10;

    // A hundred seconds; the gateway never asks for a longer pause.
    private const int WheelSize = 1024, None = -1;

    private readonly Lock _gate = new();
    private readonly int[] _wheel = [.. Enumerable.Repeat(None, WheelSize)];
    private readonly (int First, int Last)[] _ready = [(None, None), (None, None)];
    private readonly long _started = clock.GetTimestamp();
    private int _tick;

    public WaitingCustomer[] Customers { get; } = new WaitingCustomer[size];

    /// <summary>Schedules the next poll of a customer.</summary>
    public void Schedule(int customer, double seconds)
    {
        lock (_gate)
        {
            Advance();
            var due = _tick + Math.Clamp((int)Math.Ceiling(seconds * TicksPerSecond), 1, WheelSize - 1);
            Customers[customer].Due = due;
            Customers[customer].Next = _wheel[due % WheelSize];
            _wheel[due % WheelSize] = customer;
        }
    }

    /// <summary>Takes a customer whose poll is due.</summary>
    /// <returns>The customer, and the delay of the poll in seconds; null if no poll is due.</returns>
    public (int Customer, double Delay)? Take(bool isNear)
    {
        lock (_gate)
        {
            Advance();
            ref var ready = ref _ready[isNear ? 1 : 0];
            if (ready.First == None)
                return null;
            var customer = ready.First;
            ready.First = Customers[customer].Next;
            return (customer, (double)(_tick - Customers[customer].Due) / TicksPerSecond);
        }
    }

    private void Advance()
    {
        var now = (int)(clock.GetElapsedTime(_started).TotalSeconds * TicksPerSecond);
        while (_tick < now)
        {
            ref var first = ref _wheel[++_tick % WheelSize];
            var customer = first;
            while (customer != None)
            {
                var next = Customers[customer].Next;
                Append(ref _ready[Customers[customer].Position <= near ? 1 : 0], customer);
                customer = next;
            }
            first = None;
        }
    }

    private void Append(ref (int First, int Last) list, int customer)
    {
        Customers[customer].Next = None;
        if (list.First == None)
            list.First = customer;
        else
            Customers[list.Last].Next = customer;
        list.Last = customer;
    }
}
