using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Payments.Consumers;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points;
using ConcertSaga.Points.Consumers;
using ConcertSaga.Points.Data;
using ConcertSaga.Seats;
using ConcertSaga.Seats.Consumers;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
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
/// Runs the code of the processes: the saga with an inbox and an outbox as Shared.Persistence promises them, and the services'
/// decisions about their commands as they are.
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

    /// <summary>Handles messages for one process. Only commands can come in groups.</summary>
    public async Task HandleAsync(IReadOnlyList<Envelope> group)
    {
        var process = ProcessOf(group[0].Message);
        if (process == "Orchestrator")
        {
            await TellSagaAsync(group.Single());
            return;
        }
        await using DbContext database = process switch
        {
            "Seats" => world.Seats(),
            "Points" => world.Points(),
            _ => world.Payments()
        };
        ICommandHandler handler = database switch
        {
            SeatsDbContext seats => new SeatCommands(seats, Options.Create(new SeatsOptions()), _clock, _faults, _announcer),
            PointsDbContext points => new PointCommands(points, Options.Create(new PointsOptions()), _clock, _faults),
            _ => new PaymentCommands((PaymentsDbContext)database, _clock, _faults)
        };
        using var lockWait = new LockWait(Timeout.InfiniteTimeSpan);
        var outcomes = await handler.HandleAsync([.. group.Select(envelope => envelope.Message)], lockWait);
        // No service has an outbox: the replies follow the commit.
        broker.AddRange(outcomes.Select(outcome => new Envelope(Guid.CreateVersion7(), outcome.Reply)));
    }

    /// <summary>Admits requests together.</summary>
    /// <returns>The reservation of each; null if the request was refused.</returns>
    public async Task<Guid?[]> BookAsync(params (Guid Key, string UserId, ReservationRequest Request)[] requests)
    {
        await using var database = world.Orchestrator();
        List<SentMessage> sent = [];
        // The outbox drops the messages of a round that was rolled back.
        Flow.Current!.Committing = () => Commit(sent.Where(item => database.Reservations.Local.Any(row =>
            row.CorrelationId == ((RequestReservation)item.Message).ReservationId)));
        var admission = new ReservationAdmission(database, RecordedMessages.Of(requests, sent), new AnswerSignal(null!), world.Gate,
            new SeatLimit(4), world.Refusals, Options.Create(world.Machine.Options), _clock);
        using var lockWait = new LockWait(Timeout.InfiniteTimeSpan);
        var outcomes = await admission.HandleAsync([.. requests.Select(call => new ReserveCall(
            call.Request, new Caller(call.UserId, null, null), call.Key, new DefaultHttpContext().Response))], lockWait);
        return [.. outcomes.Select(outcome => (AdmissionResult)outcome.Reply)
            .Select(result => result.Refusal is null ? result.ReservationId : (Guid?)null)];
    }

    private async Task TellSagaAsync(Envelope envelope)
    {
        await using var database = world.Orchestrator();
        var id = envelope.ReservationId;
        var row = await database.Reservations.FirstOrDefaultAsync(row => row.CorrelationId == id);
        if (row is null || _inbox.Contains(envelope.MessageId))
            return;
        var sent = await world.Machine.RaiseAsync(row, Protections.Remove(world.Removed, envelope.Message, row));
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
}
