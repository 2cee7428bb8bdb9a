namespace ConcertSaga.Queue.Data;

/// <summary>The numbers of a waiting room at the beginning of a minute.</summary>
public sealed class RoomSample
{
    public required int ConcertId { get; init; }

    /// <summary>The minute.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The number of entries issued so far.</summary>
    public required long Issued { get; init; }

    /// <summary>The highest queue number that was offered a pass.</summary>
    public required long Serving { get; init; }

    /// <summary>The number of slots taken.</summary>
    public required int SlotsTaken { get; init; }
}
