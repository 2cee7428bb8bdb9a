namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Why a message left its queue.</summary>
public enum FailureKind
{
    /// <summary>Its handler failed after all retries.</summary>
    Error,

    /// <summary>It was delivered <c>Messaging:DeliveryLimit</c> times without a result.</summary>
    Dead,

    /// <summary>No handler of its queue takes its type, for example because a newer version sent it.</summary>
    Skipped
}

/// <summary>A queue of messages that failed.</summary>
/// <param name="Queue">The queue that they came from.</param>
/// <param name="Kind">Why they are here.</param>
public sealed record FailureQueue(string Queue, FailureKind Kind)
{
    /// <summary>The name at the broker.</summary>
    public string Name => Kind switch
    {
        FailureKind.Error => $"{Queue}_error",
        FailureKind.Dead => $"{Queue}_dead",
        _ => $"{Queue}_skipped"
    };
}
