namespace ConcertSaga.Gateway.Queue;

/// <summary>Why a route needs a queue token; the value of its metadata <c>QueueToken</c>.</summary>
internal enum QueueTokenUse
{
    /// <summary>To see or choose seats: needs a pass within its booking time.</summary>
    Book,

    /// <summary>To pay: needs a pass that has not expired.</summary>
    Pay,

    /// <summary>To ask for a place or to leave: needs a token of either kind.</summary>
    Any
}
