namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>Something that breaks a running system for a while.</summary>
/// <param name="Kind">What it is counted as.</param>
/// <param name="Name">What it breaks, for the log.</param>
/// <param name="Parts">The parts that no other fault may break meanwhile, because it stops or configures them.</param>
/// <param name="Begin">Breaks it.</param>
/// <param name="End">Repairs what does not heal by itself, such as a dead process that a supervisor restarts.</param>
internal sealed record Fault(FaultKind Kind, string Name, string[] Parts, Func<Task> Begin, Func<Task> End);

/// <summary>The kinds of faults, as the report counts them.</summary>
internal enum FaultKind
{
    /// <summary>SIGKILL, and a restart up to three seconds later.</summary>
    Kill,

    /// <summary>SIGSTOP, and SIGCONT up to twelve seconds later.</summary>
    Pause,

    /// <summary>SIGTERM and a restart, one process after the other.</summary>
    RollingRestart,

    /// <summary>A link between two parts is not open, or all links of a part.</summary>
    Network,

    /// <summary>The database refuses to write, has no connections left, commits slowly, or ends all sessions.</summary>
    Database,

    /// <summary>The database's disk is full.</summary>
    DiskFull,

    /// <summary>The broker accepts no messages, because its memory or its disk is used up, or closes all connections.</summary>
    Broker,

    /// <summary>Messages are lost, repeated and reordered in the broker.</summary>
    Messages,

    /// <summary>The clock of one part jumps or drifts.</summary>
    Clock,

    /// <summary>A process has hardly more memory than it needs to start.</summary>
    Memory
}
