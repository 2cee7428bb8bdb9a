using System.Data.Common;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Wakes the callers that wait for a reservation after each commit that may answer them: those of this process directly, those of other
/// replicas by <see cref="ReservationChanged"/>. A lost signal costs only time, because callers reread the row before they give up.
/// </summary>
public sealed class AnswerSignal(IServiceProvider services) : DbTransactionInterceptor
{
    private readonly Dictionary<Guid, WaitingCallers> _waiting = [];

    /// <summary>Registers a caller that waits for a reservation, until the registration is disposed.</summary>
    public Registration Register(Guid reservationId) => new(this, reservationId);

    /// <summary>Wakes the callers that wait in this process.</summary>
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
        foreach (var id in changes.Entries<Reservation>().Where(entry => IsAnswer(entry.Entity.CurrentState))
            .Select(entry => entry.Entity.CorrelationId)
            .Concat(changes.Entries<OperatorAction>().Select(entry => OperatorRequest.ReservationOf(entry.Entity.Target)).OfType<Guid>()))
        {
            Wake(id);
            NotifyReplicas(id);
        }
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // No call of a customer waits for any other state.
    private static bool IsAnswer(string state) => state is ReservationStates.AwaitingPayment
        or ReservationStates.Confirmed or ReservationStates.Rejected or ReservationStates.Expired
        or ReservationStates.Cancelled or ReservationStates.Failed;

    private void NotifyReplicas(Guid reservationId)
    {
        var gate = services.GetRequiredService<BookingGate>();
        if (gate.HasReplicas && gate.IsHealthy)
            _ = services.GetRequiredService<IBus>().Publish(new ReservationChanged(reservationId), gate.Stopping);
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
            }
        }

        /// <summary>Completes at the next change. Get it before you read the row, so that no change is missed.</summary>
        public Task NextChange
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

        public TaskCompletionSource Changed { get; set; } = NewChange();
    }
}

/// <summary>Receives the changes that other replicas committed, on a temporary queue of this process.</summary>
public sealed class ReservationChangedConsumer(AnswerSignal signal) : IConsumer<ReservationChanged>
{
    public Task Consume(ConsumeContext<ReservationChanged> context)
    {
        signal.Wake(context.Message.ReservationId);
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
