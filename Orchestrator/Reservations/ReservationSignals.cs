using System.Data.Common;
using ConcertSaga.Contracts.Reservations;
using MassTransit;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Wakes callers that wait for a reservation, after each commit that may be their answer: those of this process directly, those of other
/// replicas by the soft <see cref="ReservationChanged"/>. A lost signal costs only time; callers look once more before they give up.
/// </summary>
public sealed class ReservationSignals(IServiceProvider services) : DbTransactionInterceptor
{
    private readonly Dictionary<Guid, Waiting> _waiting = [];

    /// <summary>Registers a caller that waits for a reservation, until the registration is disposed.</summary>
    public Registration Register(Guid reservationId) => new(this, reservationId);

    /// <summary>Wakes who waits here.</summary>
    public void Wake(Guid reservationId)
    {
        lock (_waiting)
        {
            if (_waiting.TryGetValue(reservationId, out var waiting))
            {
                waiting.Changed.TrySetResult();
                waiting.Changed = NewChange();
            }
        }
    }

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
            if (!IsAnswer(entry.Entity.CurrentState))
                continue;
            Wake(entry.Entity.CorrelationId);
            TellReplicas(entry.Entity.CorrelationId);
        }
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

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

    /// <summary>One caller that waits for one reservation.</summary>
    public sealed class Registration : IDisposable
    {
        private readonly ReservationSignals _signals;
        private readonly Guid _reservationId;
        private readonly Waiting _shared;

        internal Registration(ReservationSignals signals, Guid reservationId)
        {
            (_signals, _reservationId) = (signals, reservationId);
            lock (signals._waiting)
            {
                if (!signals._waiting.TryGetValue(reservationId, out _shared!))
                    signals._waiting[reservationId] = _shared = new Waiting();
                _shared.Callers++;
            }
        }

        /// <summary>Completes at the next change. Take it before reading the row, so that no change falls in between.</summary>
        public Task NextChange
        {
            get
            {
                lock (_signals._waiting)
                    return _shared.Changed.Task;
            }
        }

        public void Dispose()
        {
            lock (_signals._waiting)
            {
                if (--_shared.Callers == 0)
                    _signals._waiting.Remove(_reservationId);
            }
        }
    }

    internal sealed class Waiting
    {
        public int Callers { get; set; }

        public TaskCompletionSource Changed { get; set; } = NewChange();
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
