using System.Data.Common;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Wakes the callers that wait for a reservation after each commit that may answer them: those of this process directly, those of other
/// replicas by <see cref="ReservationsChanged"/>. A lost signal costs only time, because callers reread the row before they give up.
/// </summary>
public sealed class AnswerSignal(IServiceProvider services) : DbTransactionInterceptor
{
    private readonly Dictionary<Guid, WaitingCallers> _waiting = [];

    /// <summary>Registers a caller that waits for a reservation, until the registration is disposed.</summary>
    public Registration Register(Guid reservationId) => new(this, reservationId);

    /// <summary>Wakes the callers that wait in this process.</summary>
    /// <param name="reservationId">The reservation.</param>
    /// <param name="row">The committed row; null if the callers must read it.</param>
    public void Wake(Guid reservationId, Reservation? row = null)
    {
        lock (_waiting)
        {
            if (_waiting.TryGetValue(reservationId, out var waiting))
            {
                waiting.Changed.TrySetResult(row);
                waiting.Changed = NewChange();
            }
        }
    }

    public override void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => WakeAfterCommit(eventData);

    public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        WakeAfterCommit(eventData);
        return Task.CompletedTask;
    }

    private void WakeAfterCommit(TransactionEndEventData eventData)
    {
        if (eventData.Context?.ChangeTracker is not { } changes)
            return;
        var changed = new HashSet<Guid>();
        foreach (var entry in changes.Entries<Reservation>().Where(entry => IsAnswer(entry.Entity.CurrentState)))
        {
            // A row that was only read can be outdated. A group commit accepts its changes after this event.
            var isWritten = entry.State is EntityState.Added or EntityState.Modified;
            if (changed.Add(entry.Entity.CorrelationId))
                Wake(entry.Entity.CorrelationId, isWritten ? entry.Entity : null);
        }
        foreach (var id in changes.Entries<OperatorAction>().Select(entry => OperatorRequest.ReservationOf(entry.Entity.Target))
            .OfType<Guid>())
        {
            changed.Add(id);
            Wake(id);
        }
        if (changed.Count > 0)
            NotifyReplicas([.. changed]);
    }

    private static TaskCompletionSource<Reservation?> NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // No call of a customer waits for any other state.
    private static bool IsAnswer(string state) => state is ReservationStates.AwaitingPayment
        or ReservationStates.Confirmed or ReservationStates.Rejected or ReservationStates.Expired
        or ReservationStates.Cancelled or ReservationStates.Failed;

    private void NotifyReplicas(Guid[] reservationIds)
    {
        var gate = services.GetRequiredService<BookingGate>();
        if (gate.HasReplicas && gate.IsHealthy)
            _ = services.GetRequiredService<IBus>().Publish(new ReservationsChanged(reservationIds), gate.Stopping);
    }

    /// <summary>A caller that waits for a reservation.</summary>
    public sealed class Registration : IDisposable
    {
        private readonly AnswerSignal _signal;
        private readonly Guid _reservationId;
        private readonly WaitingCallers _shared;

        internal Registration(AnswerSignal signal, Guid reservationId)
        {
            _signal = signal;
            _reservationId = reservationId;
            lock (signal._waiting)
            {
                if (!signal._waiting.TryGetValue(reservationId, out _shared!))
                    signal._waiting[reservationId] = _shared = new WaitingCallers();
                _shared.Count++;
                FirstChange = _shared.Changed.Task;
            }
        }

        /// <summary>Completes with the committed row at the first change after the registration; with null if it must be read.</summary>
        public Task<Reservation?> FirstChange { get; }

        /// <summary>Completes at the next change. Get it before you read the row, so that no change is missed.</summary>
        public Task<Reservation?> NextChange
        {
            get
            {
                lock (_signal._waiting)
                    return _shared.Changed.Task;
            }
        }

        public void Dispose()
        {
            lock (_signal._waiting)
            {
                if (--_shared.Count == 0)
                    _signal._waiting.Remove(_reservationId);
            }
        }
    }

    internal sealed class WaitingCallers
    {
        public int Count { get; set; }

        public TaskCompletionSource<Reservation?> Changed { get; set; } = NewChange();
    }
}

/// <summary>Receives the changes that other replicas committed, on a temporary queue of this process.</summary>
public sealed class ReservationsChangedConsumer(AnswerSignal signal) : IConsumer<ReservationsChanged>
{
    public Task Consume(ConsumeContext<ReservationsChanged> context)
    {
        foreach (var id in context.Message.ReservationIds)
            signal.Wake(id);
        return Task.CompletedTask;
    }
}

public sealed class ReservationsChangedConsumerDefinition : ConsumerDefinition<ReservationsChangedConsumer>
{
    public ReservationsChangedConsumerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"reservations-changed-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
