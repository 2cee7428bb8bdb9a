namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>The meaning of an answer for the delivery and for the destination.</summary>
internal enum Verdict
{
    /// <summary>The destination accepted the delivery.</summary>
    Delivered,

    /// <summary>The destination refuses this delivery for its content. A retry would fail too, so the delivery is dead.</summary>
    Refused,

    /// <summary>The destination cannot accept this delivery yet. The attempt counts.</summary>
    Early,

    /// <summary>
    /// The destination would answer any delivery like this. The attempt does not count, unless others succeed while this delivery keeps
    /// failing.
    /// </summary>
    Unavailable,

    /// <summary>The destination wants no more deliveries. The relay sends nothing until an operator resumes.</summary>
    Gone
}
