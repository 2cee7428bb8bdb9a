using System.Collections.Concurrent;
using System.Data.Common;
using ConcertSaga.Contracts.Reservations;
using MassTransit;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Wakes callers that wait for a reservation, after each commit that touched it: those of this process directly, those of other replicas by
/// the soft <see cref="ReservationChanged"/>. A lost signal costs only time; callers look again by themselves.
/// </summary>
public sealed class ReservationSignals(IServiceProvider services) : DbTransactionInterceptor
{
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource> _waiting = new();

    /// <summary>Completes at the next change. Take it before reading the row, so that no change falls in between.</summary>
    public Task NextChange(Guid reservationId) =>
        _waiting.GetOrAdd(reservationId, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Wakes who waits here.</summary>
    public void Wake(Guid reservationId)
    {
        if (_waiting.TryRemove(reservationId, out var waiting))
            waiting.TrySetResult();
    }

    /// <summary>Forgets a reservation nobody waits for any more.</summary>
    public void Forget(Guid reservationId) => Wake(reservationId);

    public override void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => Committed(eventData);

    public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Committed(eventData);
        return Task.CompletedTask;
    }

    private void Committed(TransactionEndEventData eventData)
    {
        foreach (var entry in eventData.Context?.ChangeTracker.Entries<Reservation>() ?? [])
        {
            Wake(entry.Entity.CorrelationId);
            if (IsAnswer(entry.Entity.CurrentState))
                TellReplicas(entry.Entity.CorrelationId);
        }
    }

    // Nobody waits for the states in between.
    private static bool IsAnswer(string state) => state is ReservationStates.AwaitingPayment
        or ReservationStates.Confirmed or ReservationStates.Rejected or ReservationStates.Expired
        or ReservationStates.Cancelled or ReservationStates.Failed;

    private void TellReplicas(Guid reservationId)
    {
        var watch = services.GetRequiredService<BusWatch>();
        if (watch.HasReplicas && watch.IsHealthy)
            _ = services.GetRequiredService<IBus>().Publish(new ReservationChanged(reservationId), watch.Stopping);
    }
}

/// <summary>Hears of changes other replicas committed, on a temporary queue of its own.</summary>
public sealed class ReservationChangedConsumer(ReservationSignals signals) : IConsumer<ReservationChanged>
{
    public Task Consume(ConsumeContext<ReservationChanged> context)
    {
        signals.Wake(context.Message.ReservationId);
        return Task.CompletedTask;
    }
}

public sealed class ReservationChangedConsumerDefinition : ConsumerDefinition<ReservationChangedConsumer>
{
    public ReservationChangedConsumerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"reservation-changed-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
