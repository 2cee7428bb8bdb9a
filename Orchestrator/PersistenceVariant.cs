#if !OFFICIAL_PERSISTENCE
using ConcertSaga.Orchestrator.Reservations;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;

namespace ConcertSaga.Orchestrator;

/// <summary>The features of Shared.Persistence that MassTransit.EntityFrameworkCore lacks.</summary>
internal static class PersistenceVariant
{
    /// <summary>Keeps delivered messages for a while, so that the outbox can resend those that the broker lost.</summary>
    public static void RetainDelivered(this IEntityFrameworkOutboxConfigurator outbox, TimeSpan retention) =>
        outbox.DeliveredRetention = retention;
}

/// <summary>The messages that are committed and not yet delivered.</summary>
public sealed class MessageBacklog(OutboxBacklog<OrchestratorDbContext> outbox)
{
    public TimeSpan OldestAge => outbox.OldestAge;

    public int Count => outbox.Messages;
}
#else
using MassTransit;

namespace ConcertSaga.Orchestrator;

/// <summary>Stands in for the features of Shared.Persistence that MassTransit.EntityFrameworkCore lacks.</summary>
internal static class PersistenceVariant
{
    /// <summary>Does nothing: the package keeps no delivered messages.</summary>
    public static void RetainDelivered(this IEntityFrameworkOutboxConfigurator outbox, TimeSpan retention)
    {
    }
}

/// <summary>Always empty, because the package does not measure its backlog.</summary>
public sealed class MessageBacklog
{
    public TimeSpan OldestAge => TimeSpan.Zero;

    public int Count => 0;
}
#endif
