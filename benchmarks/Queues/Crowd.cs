using System.Runtime.CompilerServices;

namespace ConcertSaga.Benchmarks.Queues;

internal enum PersonState : byte
{
    /// <summary>Has not entered.</summary>
    Away,

    /// <summary>In line.</summary>
    Waiting,

    /// <summary>Went away without a word.</summary>
    Vanished,

    /// <summary>Has a pass.</summary>
    Inside,

    /// <summary>Bought.</summary>
    Finished,

    /// <summary>Came back when the offer was over.</summary>
    TooLate
}

[InlineArray(32)]
internal struct Signature
{
    private byte _first;
}

/// <summary>One of a million: what differs between waiting tokens instead of their text, and when to ask again.</summary>
internal struct Person
{
    public Guid TokenId;
    public Signature Signature;
    public int IssuedAt, Exp, Number, Position;

    /// <summary>When to ask again, in ticks of the schedule, and who asks after this one.</summary>
    public int Due, Next;

    public PersonState State;
    public byte Key, PollAfter;
}

/// <summary>
/// All people, and who of them asks when. Whoever is told to come back in so many seconds stands in the list of that moment; whoever's
/// moment has come is taken by a connection. People near the front have connections of their own: on a machine that cannot carry all polls
/// that are due, the crowd is late and the front is not, as it is where there are enough gateways.
/// </summary>
internal sealed class Crowd(int size, int near, TimeProvider clock)
{
    public const int TicksPerSecond = 10;

    // A hundred seconds; nobody is told to stay away longer.
    private const int Moments = 1024, Nobody = -1;

    private readonly Lock _gate = new();
    private readonly int[] _moments = [.. Enumerable.Repeat(Nobody, Moments)];
    private readonly (int First, int Last)[] _ready = [(Nobody, Nobody), (Nobody, Nobody)];
    private readonly long _started = clock.GetTimestamp();
    private int _at;

    public Person[] People { get; } = new Person[size];

    /// <summary>Lets somebody ask again after so many seconds.</summary>
    public void Schedule(int person, double seconds)
    {
        lock (_gate)
        {
            Advance();
            var due = _at + Math.Clamp((int)Math.Ceiling(seconds * TicksPerSecond), 1, Moments - 1);
            People[person].Due = due;
            People[person].Next = _moments[due % Moments];
            _moments[due % Moments] = person;
        }
    }

    /// <summary>Takes somebody whose moment has come.</summary>
    /// <returns>The person, and how late it is in seconds; null when nobody's has.</returns>
    public (int Person, double Late)? Take(bool isNear)
    {
        lock (_gate)
        {
            Advance();
            ref var ready = ref _ready[isNear ? 1 : 0];
            if (ready.First == Nobody)
                return null;
            var person = ready.First;
            ready.First = People[person].Next;
            return (person, (double)(_at - People[person].Due) / TicksPerSecond);
        }
    }

    private void Advance()
    {
        for (var now = (int)(clock.GetElapsedTime(_started).TotalSeconds * TicksPerSecond); _at < now;)
        {
            ref var moment = ref _moments[++_at % Moments];
            for (var (person, next) = (moment, 0); person != Nobody; person = next)
            {
                next = People[person].Next;
                Append(ref _ready[People[person].Position <= near ? 1 : 0], person);
            }
            moment = Nobody;
        }
    }

    private void Append(ref (int First, int Last) list, int person)
    {
        People[person].Next = Nobody;
        if (list.First == Nobody)
            list.First = person;
        else
            People[list.Last].Next = person;
        list.Last = person;
    }
}
