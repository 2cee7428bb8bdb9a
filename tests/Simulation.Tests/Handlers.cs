using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Payments.Consumers;
using ConcertSaga.Points;
using ConcertSaga.Points.Consumers;
using ConcertSaga.Seats;
using ConcertSaga.Seats.Consumers;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Simulation.Tests;

/// <summary>A message at the broker.</summary>
/// <param name="MessageId">The same on each copy.</param>
/// <param name="Message">The message.</param>
/// <param name="Failures">How often its handler has failed or died.</param>
internal sealed record Envelope(Guid MessageId, object Message, int Failures = 0)
{
    public Guid ReservationId => (Guid)((dynamic)Message).ReservationId;

    public override string ToString() => $"{Message.GetType().Name} of {ReservationId.ToString()[^4..]}";
}

/// <summary>A promise of the product was broken.</summary>
public sealed class ViolationException(string message) : Exception(message);

/// <summary>
/// Runs the code of the processes: the saga with an inbox and an outbox as Shared.Persistence promises them, and the consumers of the
/// services as they are.
/// </summary>
internal sealed class Handlers(World world, List<Envelope> broker, List<object> outcomes)
{
    // Both belong to the orchestrator's database.
    private readonly HashSet<Guid> _inbox = [];
    private readonly List<Envelope> _outbox = [];

    private readonly TimeProvider _clock = world.Machine.Clock;
    private readonly FaultInjection _faults = new(enabled: false);
    private readonly SeatMapAnnouncer _announcer = new(world.Machine.Clock, NullLogger<SeatMapAnnouncer>.Instance);

    /// <summary>Whether a committed message waits to be sent.</summary>
    public bool HasCommitted => _outbox.Count > 0;

    public static string ProcessOf(object message) => message switch
    {
        HoldSeats or ConfirmSeats or ReleaseSeats => "Seats",
        DeductPoints or RefundPoints => "Points",
        ConfirmPayment or CancelPayment => "Payments",
        _ => "Orchestrator"
    };

    /// <summary>Sends one committed message. If the process dies before it has noted that, another one sends it again.</summary>
    public void SendCommitted(int index, Action<string> tell)
    {
        if (_outbox.Count == 0)
            return;
        var envelope = _outbox[index % _outbox.Count];
        tell($"sent: {envelope}");
        broker.Add(envelope);
        if (index % 7 != 1)
            _outbox.RemoveAt(index % _outbox.Count);
    }

    public Task HandleAsync(Envelope envelope) => ProcessOf(envelope.Message) switch
    {
        "Orchestrator" => TellSagaAsync(envelope),
        "Seats" => OnSeatsAsync(envelope.Message),
        "Points" => OnPointsAsync(envelope.Message),
        _ => OnPaymentsAsync(envelope.Message)
    };

    /// <returns>The reservation; null if the request was refused.</returns>
    public async Task<Guid?> BookAsync(string userId, Guid key, ReservationRequest request)
    {
        await using var database = world.Orchestrator();
        List<SentMessage> sent = [];
        // The outbox drops the messages of a round that was rolled back.
        Flow.Current!.Committing = () => Commit(sent.Where(item => database.Reservations.Local.Any(row =>
            row.CorrelationId == ((RequestReservation)item.Message).ReservationId)));
        var admission = new ReservationAdmission(database, RecordedMessages.Of(request, sent), world.Gate, new SeatLimit(4),
            world.Refusals, Options.Create(world.Machine.Options), _clock);
        var result = await admission.AdmitAsync(request, new Caller(userId, null, null), new IdempotencyKey(key),
            new DefaultHttpContext().Response, CancellationToken.None);
        return result.Refusal is null ? result.ReservationId : null;
    }

    private async Task TellSagaAsync(Envelope envelope)
    {
        await using var database = world.Orchestrator();
        var id = envelope.ReservationId;
        var row = await database.Reservations.FirstOrDefaultAsync(row => row.CorrelationId == id);
        if (row is null || _inbox.Contains(envelope.MessageId))
            return;
        var sent = await world.Machine.RaiseAsync(row, envelope.Message);
        Flow.Current!.Committing = () =>
        {
            _inbox.Add(envelope.MessageId);
            Commit(sent);
        };
        await database.SaveChangesAsync();
    }

    private void Commit(IEnumerable<SentMessage> sent)
    {
        foreach (var item in sent)
        {
            if (item.Queue is null)
                outcomes.Add(item.Message);
            else
                _outbox.Add(new Envelope(Guid.CreateVersion7(), item.Message));
        }
    }

    private async Task OnSeatsAsync(object message)
    {
        await using var database = world.Seats();
        await (message switch
        {
            HoldSeats hold => ConsumeAsync(
                new HoldSeatsConsumer(database, Options.Create(new SeatsOptions()), _clock, _faults, _announcer), hold),
            ConfirmSeats confirm => ConsumeAsync(new ConfirmSeatsConsumer(database, _clock, _faults, _announcer), confirm),
            _ => ConsumeAsync(new ReleaseSeatsConsumer(database, _clock, _announcer), (ReleaseSeats)message)
        });
    }

    private async Task OnPointsAsync(object message)
    {
        await using var database = world.Points();
        await (message is DeductPoints deduct
            ? ConsumeAsync(new DeductPointsConsumer(database, Options.Create(new PointsOptions()), _clock, _faults), deduct)
            : ConsumeAsync(new RefundPointsConsumer(database, _clock), (RefundPoints)message));
    }

    private async Task OnPaymentsAsync(object message)
    {
        await using var database = world.Payments();
        await (message is ConfirmPayment confirm
            ? ConsumeAsync(new ConfirmPaymentConsumer(database, _clock, _faults), confirm)
            : ConsumeAsync(new CancelPaymentConsumer(database, _clock), (CancelPayment)message));
    }

    // No service has an outbox: the reply follows the commit.
    private async Task ConsumeAsync<T>(IConsumer<T> consumer, T command)
        where T : class
    {
        List<SentMessage> sent = [];
        await consumer.Consume(RecordedMessages.Of(command, sent));
        broker.AddRange(sent.Where(item => item.Message is not SeatsChanged)
            .Select(item => new Envelope(Guid.CreateVersion7(), item.Message)));
    }
}
