using System.Text.RegularExpressions;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.DataPlatform;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>
/// The whole product runs as configured for SQL Server, against the <see cref="EmulatedServer"/>: every statement it sends parses, names
/// only what is there, and there is no place in the source that sends one and was not reached.
/// </summary>
public sealed partial class StatementTests : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    // Calls that need not be reached here, by a part of their line.
    private static readonly Dictionary<string, string> NotReached = new()
    {
        ["CanConnectAsync"] = "opens a connection and sends nothing",
        ["MigrateAsync"] = "the scripts are judged by SchemaTests"
    };

    // What the saga repository can do and the product's saga never asks for: correlation by query, insertion first, work outside the outbox,
    // loads in a transaction. And what the outbox does for handlers with a transaction of their own: the same inserts by another context.
    private static readonly HashSet<string> Unused =
    [
        .. new[] { "SendQuery", "Load", "Query", "Insert", "InTransactionAsync", "Find" }.Select(method => $"EntityFrameworkSagaRepository.cs:{method}"),
        "EntityFrameworkOutboxContextFactory.cs:ConsumeAsync",
        "PostgreSqlStatements.cs:WriteAsync"
    ];

    private readonly EmulatedServer _server = new();
    private readonly ShiftedClock _clock = new();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Product_OnSqlServer_SendsOnlyWhatItTakes()
    {
        await _server.MigrateAsync();
        await using (var host = await StartAsync(keep: true, "Queue:PlaceRetention=01:00:00", "DataPlatform:Retention=01:00:00"))
        {
            // Somebody else inserts the same concerts at the same moment.
            _server.Before["INSERT INTO [Concerts]"] = "INSERT INTO Concerts (ConcertId, Title, Venue, SaleOpensAt, SaleClosesAt) VALUES (1, '', '', '2020-01-01', '2020-01-01')";
            await Assert.ThrowsAsync<DbUpdateException>(() => SeatsService.SeedDemoDataAsync(host.Services, CancellationToken.None));
            await SeatsService.SeedDemoDataAsync(host.Services, CancellationToken.None);
            await ReserveAndPayAsync(host);
            await UndoAsync(host);
            await ReadAsync(host);
            await CommandsThatComeLateAsync(host);
            await LoseARaceForASeatAsync(host);
            await LeaveThingsBehindAsync(host);
            await LeaveMuchBehindAsync(host, outboxes: 2, messages: 2_500);
            await QueueAsync(host);
            await RelayAsync(host);
            await ImportAsync(host);
        }
        await using (var host = await StartAsync(keep: false, "Faults:Enabled=true", "Faults:ConfirmSeats:RejectRate=1"))
        {
            await FailAtTheLastStepAsync(host);
            await LeaveMuchBehindAsync(host, outboxes: 2, messages: 2_500);
        }

        Assert.NotEmpty(_server.Statements);
        NamesLeadSomewhere();
        EveryCallWasReached();
    }

    private Task<ProductHost> StartAsync(bool keep, params string[] settings) => ProductHost.StartAsync(
        _ => "Server=emulated", _clock,
        services =>
        {
            // As over RabbitMQ, where nothing that was delivered is kept.
            if (!keep)
                services.Select(service => service.ImplementationInstance).OfType<EntityFrameworkOutboxOptions<OrchestratorDbContext>>().Single().DeliveredRetention = TimeSpan.Zero;
            services
                .ConfigureDbContext<SqlServerOrchestratorDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerQueueDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerSeatsDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerPointsDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerPaymentsDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerDataPlatformDbContext>(options => options.AddInterceptors(_server));
        },
        settings);

    // Rows come in by SqlBulkCopy on the real server, which is a protocol and no statement; here they are inserted one by one.
    private static async Task ImportAsync(ProductHost host)
    {
        var folder = Directory.CreateTempSubdirectory("concertsaga-import-");
        try
        {
            string[] files = [Path.Combine(folder.FullName, "concerts.csv"), Path.Combine(folder.FullName, "schedules.csv"), Path.Combine(folder.FullName, "seats.csv")];
            await File.WriteAllTextAsync(files[0], "concertId,title,venue,saleOpensAt,saleClosesAt\n700,Import,Hall,2026-05-31T12:00:00Z,2090-08-01T00:00:00Z\n");
            await File.WriteAllTextAsync(files[1], "scheduleId,concertId,startsAt\n7000,700,2090-07-01T20:00:00Z\n");
            await File.WriteAllTextAsync(files[2], "scheduleId,number,price\n7000,1,100\n7000,2,100\n7,51,100\n");
            await using var scope = host.Services.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<SeatsDbContext>();
            var result = await SeatImport.RunAsync(database, files, dryRun: false, null, CancellationToken.None);
            Assert.Equal((1L, 1L, 3L, 0L), (result.Concerts, result.Schedules, result.Seats, result.ErrorCount));
            Assert.Equal(5, (await SeatImport.RunAsync(database, files, dryRun: false, null, CancellationToken.None)).ErrorCount);
            Assert.Equal((2, 51), (await database.Schedules.Where(date => date.ScheduleId == 7000).Select(date => date.AvailableSeats).SingleAsync(),
                await database.Schedules.Where(date => date.ScheduleId == 7).Select(date => date.TotalSeats).SingleAsync()));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    internal static async Task ReserveAndPayAsync(ProductHost host)
    {
        var reserve = new { scheduleId = 1, seatNumbers = new[] { 1, 2, 3, 4 }, pay = false };
        var key = Guid.CreateVersion7();
        // The bus needs a moment after the start.
        var status = 0;
        var id = "";
        await Eventually.TrueAsync(async () =>
        {
            var (code, body) = await host.CallAsync("mina", HttpMethod.Post, "/api/reservations", reserve, key);
            (status, id) = (code, code == 201 ? body.GetProperty("reservationId").GetString()! : "");
            return status == 201;
        }, Limit, "seats are held");
        await ExpectAsync(201, host.CallAsync("mina", HttpMethod.Post, "/api/reservations", reserve, key));
        await ExpectAsync(409, host.CallAsync("mina", HttpMethod.Post, "/api/reservations", reserve, Guid.CreateVersion7()));
        await ExpectAsync(402, host.CallAsync("mina", HttpMethod.Post, $"/api/reservations/{id}/payment"));

        var charge = Guid.CreateVersion7();
        await ExpectAsync(201, host.CallAsync("mina", HttpMethod.Post, "/api/points/charges", new { amount = 1_000_000 }, charge));
        await ExpectAsync(201, host.CallAsync("mina", HttpMethod.Post, "/api/points/charges", new { amount = 1_000_000 }, charge));
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Post, $"/api/reservations/{id}/payment"));
        await ExpectAsync(201, host.CallAsync("lena", HttpMethod.Post, "/api/reservations", new { scheduleId = 6, seatNumbers = new[] { 1 } }, Guid.CreateVersion7(), queueToken: Guid.CreateVersion7()));
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Delete, $"/api/reservations/{id}"));
        Assert.Equal(1_000_000, (await host.CallAsync("mina", HttpMethod.Get, "/api/points")).Body.GetProperty("balance").GetInt64());
    }

    private static async Task UndoAsync(ProductHost host)
    {
        var (status, body) = await host.CallAsync("noor", HttpMethod.Post, "/api/reservations", new { scheduleId = 2, seatNumbers = new[] { 5 } }, Guid.CreateVersion7());
        Assert.Equal(201, status);
        await ExpectAsync(409, host.CallAsync("omar", HttpMethod.Post, "/api/reservations", new { scheduleId = 2, seatNumbers = new[] { 5 } }, Guid.CreateVersion7()));
        await ExpectAsync(200, host.CallAsync("noor", HttpMethod.Delete, $"/api/reservations/{body.GetProperty("reservationId").GetString()}"));
    }

    private static async Task ReadAsync(ProductHost host)
    {
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/reservations?limit=1"));
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/reservations?status=Cancelled"));
        var first = await host.CallAsync("mina", HttpMethod.Get, "/api/points/entries?limit=1");
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Get, $"/api/points/entries?limit=1&cursor={first.Body.GetProperty("nextCursor").GetString()}"));
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/concerts?limit=2"));
        var dates = await host.CallAsync("mina", HttpMethod.Get, "/api/concerts/1/schedules?limit=2&from=2020-01-01&to=2090-01-01");
        Assert.Equal(200, dates.Status);
        await ExpectAsync(200, host.CallAsync("mina", HttpMethod.Get, $"/api/concerts/1/schedules?limit=2&cursor={dates.Body.GetProperty("nextCursor").GetString()}"));
        await ExpectAsync(200, host.CallAsync("gateway", HttpMethod.Get, "/internal/schedules/1"));
        var outcomes = await host.CallAsync("relay", HttpMethod.Get, "/internal/outcomes");
        Assert.Equal("Cancelled", outcomes.Body.GetProperty("items")[0].GetProperty("status").GetString());
        await ExpectAsync(200, host.CallAsync("relay", HttpMethod.Get, "/internal/outcomes?since=2020-01-01T00:00:00Z&after=NjM5MzEzMTY0MDAwMDAwMDAwLzAxYTIwOGRmLTgwMzAtNzg1ZC1hMmM0LTU0N2IwZTEzOTJmMw&limit=1"));
        var map = await host.CallAsync("mina", HttpMethod.Get, "/api/schedules/1/seats");
        Assert.Equal(50, map.Body.GetProperty("seats").GetArrayLength());
        await ExpectAsync(304, host.CallAsync("mina", HttpMethod.Get, "/api/schedules/1/seats", etag: $"\"{map.Body.GetProperty("version").GetInt64()}\""));
    }

    // The whole life of places in line: given, offered, taken, missed, given up and used; and what operators and gateways ask for.
    private async Task QueueAsync(ProductHost host)
    {
        const string current = "/api/queue/tokens/current", rooms = "/ops/api/queue/concerts";
        Task<(int Status, System.Text.Json.JsonElement Body)> EnterAsync(string user) => host.CallAsync(user, HttpMethod.Post, "/api/queue/tokens", new { concertId = 1 });
        var tokens = new List<Guid>();
        foreach (var user in new[] { "sven", "tara", "ugo", "vera" })
        {
            var (status, body) = await EnterAsync(user);
            Assert.Equal(201, status);
            tokens.Add(body.GetProperty("tokenId").GetGuid());
        }
        await ExpectAsync(200, EnterAsync("sven"));
        await ExpectAsync(404, host.CallAsync("sven", HttpMethod.Post, "/api/queue/tokens", new { concertId = 999 }));
        await ExpectAsync(204, host.CallAsync("vera", HttpMethod.Delete, current, queueToken: tokens[3]));
        await Eventually.TrueAsync(async () => (await host.CallAsync("sven", HttpMethod.Get, current, queueToken: tokens[0])).Body.GetProperty("status").GetString() == "Active", Limit, "people are let in");
        await ExpectAsync(200, host.CallAsync("ugo", HttpMethod.Get, current, queueToken: tokens[2]));
        await host.Services.GetRequiredService<IBus>().Publish(new ReservationConfirmed(Guid.CreateVersion7(), "sven", 1, 1, [1], 1, tokens[0], _clock.GetUtcNow(), 1));
        await Eventually.TrueAsync(async () => (await host.CallAsync("sven", HttpMethod.Get, current, queueToken: tokens[0])).Status == 410, Limit, "it is used up");

        // Long after: an offer was not taken and a pass not used; the one person enters again, the other is found by the tick.
        _clock.Advance(TimeSpan.FromMinutes(11));
        await EnterAsync("tara");
        await Eventually.TrueAsync(async () => (await host.CallAsync("ugo", HttpMethod.Get, rooms + "/1")).Body.GetProperty("slotsTaken").GetInt64() <= 1, Limit, "slots come free");
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Get, rooms + "?limit=1"));
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Put, rooms + "/1", new { paused = true }));
        await ExpectAsync(201, EnterAsync("wim"));
        _clock.Advance(TimeSpan.FromHours(13));
        await ExpectAsync(200, EnterAsync("wim"));
        await ExpectAsync(200, host.CallAsync("gateway", HttpMethod.Get, "/internal/queue/snapshot"));

        // Concerts nobody told of, and new times of one.
        await host.Services.GetRequiredService<Concerts>().SaveAsync([new ConcertPublished(501, _clock.GetUtcNow(), _clock.GetUtcNow().AddDays(1))], CancellationToken.None);
        await host.Services.GetRequiredService<Concerts>().SaveAsync([new ConcertPublished(501, _clock.GetUtcNow(), _clock.GetUtcNow().AddDays(2))], CancellationToken.None);
        await using (var scope = host.Services.CreateAsyncScope())
            await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Counters.Where(room => room.ConcertId == 2).ExecuteDeleteAsync();
        await ExpectAsync(201, host.CallAsync("sven", HttpMethod.Post, "/api/queue/tokens", new { concertId = 2 }));

        // Keys are made anew and forgotten.
        _clock.Advance(TimeSpan.FromHours(50));
        await host.Services.GetRequiredService<KeyRing>().RefreshAsync(CancellationToken.None);
        // So are places that have ended, when the last token of each has expired.
        Assert.NotEqual(0, await host.Services.GetRequiredService<PlaceCleaner>().CleanAsync(CancellationToken.None));
    }

    // The whole life of deliveries: heard of, missing, taken, failed, given up, sent again, discarded, delivered and deleted; and what operators do.
    private async Task RelayAsync(ProductHost host)
    {
        const string route = "/ops/api/deliveries";
        var outcomes = new List<ReservationOutcome>();
        var status = 200;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var outside = builder.Build();
        outside.MapPost("/hook", () => Results.StatusCode(status));
        outside.MapGet("/internal/outcomes", () => new ReservationOutcomes([.. outcomes], null));
        await outside.StartAsync();
        var options = host.Services.GetRequiredService<IOptions<DataPlatformOptions>>().Value;
        (options.OrchestratorAddress, options.Destination, options.AttemptsKept) = (new Uri(outside.Urls.Single()), new Uri($"{outside.Urls.Single()}/hook"), 1);
        await host.Services.GetRequiredService<DeliveryCounts>().CountAsync(CancellationToken.None);
        await EndAsync("Delivered", 1, "what was confirmed and given back before");

        var now = _clock.GetUtcNow();
        outcomes.Add(new ReservationOutcome(Guid.CreateVersion7(now), "mina", 1, 1, [1], 1_000, null, "Cancelled", now, now, now, 2));
        status = 500;
        await host.Services.GetRequiredService<Reconciliation>().ReconcileAsync(CancellationToken.None);
        var id = await EndAsync("Pending", 1, "a failure");
        _clock.Advance(TimeSpan.FromMinutes(1));
        await EndAsync("Pending", 2, "another one, of which only this is kept");
        status = 410;
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{route}/send-again", new { status = "Pending", reservationId = outcomes[0].ReservationId, reason = "Now." }));
        await EndAsync("Dead", 1, "the destination wants no more");
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Get, $"{route}/destination"));
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{route}/{id}/discard", new { reason = "It was never there." }));
        await ExpectAsync(409, host.CallAsync("olga", HttpMethod.Post, $"{route}/{await EndAsync("Delivered", 1, "an old one")}/discard", new { reason = "Late." }));
        status = 200;
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{route}/destination/resume", new { reason = "It does again." }));
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{route}/{id}/send-again", new { reason = "It was." }));
        await Eventually.TrueAsync(async () => (await host.CallAsync("olga", HttpMethod.Get, $"{route}?status=Pending")).Body.GetProperty("items").GetArrayLength() == 0, Limit, "all is delivered");
        await using (var scope = host.Services.CreateAsyncScope())
            await LeaveALeaseAsync(scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>(), id);
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{route}/send-again", new { status = "Pending", reason = "Now." }));
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{route}/destination/pause", new { reason = "Enough." }));
        var first = await host.CallAsync("olga", HttpMethod.Get, $"{route}?limit=1&eventType=reservation.confirmed&from=2020-01-01T00:00:00Z&to=2090-01-01T00:00:00Z");
        await ExpectAsync(200, host.CallAsync("olga", HttpMethod.Get, $"{route}?limit=1&cursor={first.Body.GetProperty("nextCursor").GetString()}"));
        _clock.Advance(TimeSpan.FromHours(2));
        Assert.NotEqual(0, await host.Services.GetRequiredService<DeliveryCleaner>().CleanAsync(CancellationToken.None));

        async Task<Guid> EndAsync(string state, int attempts, string because)
        {
            var found = Guid.Empty;
            await Eventually.TrueAsync(async () =>
            {
                var list = await host.CallAsync("olga", HttpMethod.Get, $"{route}?status={state}&eventType=reservation.confirmed");
                foreach (var item in list.Body.GetProperty("items").EnumerateArray())
                {
                    if (item.GetProperty("attempts").GetInt32() >= attempts && (state == "Delivered" || item.GetProperty("reservationId").GetGuid() == outcomes[0].ReservationId))
                        found = item.GetProperty("deliveryId").GetGuid();
                }
                return found != Guid.Empty;
            }, Limit, because);
            return found;
        }
    }

    // A replica that has taken one and died. Where some of those to be sent again are taken, it is looked up which are not.
    private async Task LeaveALeaseAsync(DataPlatformDbContext database, Guid id)
    {
        var now = _clock.GetUtcNow();
        await database.Deliveries.Where(one => one.DeliveryId == id).ExecuteUpdateAsync(set => set
            .SetProperty(one => one.Status, DeliveryStatus.Pending).SetProperty(one => one.LeaseId, Guid.CreateVersion7(now))
            .SetProperty(one => one.LeasedUntil, now.AddMinutes(1)).SetProperty(one => one.NextAttemptAt, now.AddMinutes(1)));
    }

    private async Task CommandsThatComeLateAsync(ProductHost host)
    {
        await host.SendAsync(CommandQueues.ConfirmSeats, new ConfirmSeats(Guid.CreateVersion7(), 1));
        await host.SendAsync(CommandQueues.ReleaseSeats, new ReleaseSeats(Guid.CreateVersion7(), 1));
        await host.SendAsync(CommandQueues.CancelPayment, new CancelPayment(Guid.CreateVersion7(), 1));
        await host.SendAsync(CommandQueues.RefundPoints, new RefundPoints(Guid.CreateVersion7(), 1, "nobody"));
        await using var scope = host.Services.CreateAsyncScope();
        var seats = scope.ServiceProvider.GetRequiredService<SeatsDbContext>();
        var payments = scope.ServiceProvider.GetRequiredService<PaymentsDbContext>();
        var points = scope.ServiceProvider.GetRequiredService<PointsDbContext>();
        await Eventually.TrueAsync(
            async () => await seats.SeatHolds.CountAsync(hold => hold.UserId == "") == 2
                && await payments.Payments.AnyAsync(payment => payment.UserId == "") && await points.PointRefunds.AnyAsync(refund => refund.UserId == "nobody"),
            Limit, "the tombstones are there");

        var cleaner = host.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<ChargeKeyCleaner>().Single();
        _clock.Advance(TimeSpan.FromHours(25));
        Assert.Equal(1, await cleaner.CleanAsync(CancellationToken.None));
    }

    // The plain read sees the seat free; before the conditional update somebody takes it.
    private async Task LoseARaceForASeatAsync(ProductHost host)
    {
        _server.Before["SET [s].[Status] = "] = "UPDATE Seats SET Status = 'Sold' WHERE ScheduleId = 3 AND Number = 9";
        await ExpectAsync(409, host.CallAsync("pia", HttpMethod.Post, "/api/reservations", new { scheduleId = 3, seatNumbers = new[] { 9, 10 } }, Guid.CreateVersion7()));
        Assert.Empty(_server.Before);
    }

    // What processes that died left: decided and not delivered, claimed by nobody alive; a reservation nobody looks after.
    private async Task LeaveThingsBehindAsync(ProductHost host)
    {
        var (status, body) = await host.CallAsync("quinn", HttpMethod.Post, "/api/reservations", new { scheduleId = 4, seatNumbers = new[] { 1 } }, Guid.CreateVersion7());
        Assert.Equal(201, status);
        var id = body.GetProperty("reservationId").GetGuid();
        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        var (outbox, message) = await LeaveMessagesAsync(database, 3);
        await Eventually.TrueAsync(async () => !await database.Set<OutboxState>().AnyAsync(row => row.Delivered == null)
            && !await database.Set<InboxState>().AnyAsync(row => row.Delivered == null), Limit, "it is delivered");

        // Long after: the hold has ended, and what was kept is cleaned away.
        _clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(async () => (await host.CallAsync("quinn", HttpMethod.Get, $"/api/reservations/{id}")).Body.GetProperty("status").GetString() == "Expired",
            Limit, "the hold ends");
        await Eventually.TrueAsync(async () => !await database.Set<InboxState>().AnyAsync(row => row.MessageId == message)
            && !await database.Set<OutboxState>().AnyAsync(row => row.OutboxId == outbox), Limit, "it is cleaned away");

        // A copy of a message the saga has had, and whose own messages are still being delivered.
        var had = Guid.CreateVersion7(_clock.GetUtcNow());
        var saga = await host.Services.GetRequiredService<IBus>().GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await saga.Send(new ReservationDeadlineReached(id), context => context.MessageId = had);
        var row = database.Set<InboxState>().Where(row => row.MessageId == had);
        await Eventually.TrueAsync(() => row.AnyAsync(), Limit, "the message is consumed");
        var now = _clock.GetUtcNow();
        await row.ExecuteUpdateAsync(set => set.SetProperty(one => one.Delivered, (DateTime?)null).SetProperty(one => one.LockId, Guid.CreateVersion7(now)));
        await saga.Send(new ReservationDeadlineReached(id), context => context.MessageId = had);
        await Eventually.TrueAsync(() => row.AnyAsync(one => one.ReceiveCount > 1), Limit, "the copy is known");
    }

    // More messages than a statement takes parameters, and more outboxes than are cleaned away at once.
    private async Task LeaveMuchBehindAsync(ProductHost host, int outboxes, int messages)
    {
        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        for (var i = 0; i < outboxes; i++)
            await LeaveMessagesAsync(database, messages);
        await Eventually.TrueAsync(async () => !await database.Set<OutboxState>().AnyAsync(row => row.Delivered == null)
            && !await database.Set<InboxState>().AnyAsync(row => row.Delivered == null), Limit, "it is delivered");
        _clock.Advance(TimeSpan.FromHours(1));
        await Eventually.TrueAsync(async () => !await database.Set<OutboxMessage>().AnyAsync(), Limit, "it is cleaned away");
    }

    // Of an outbox and of an inbox.
    private async Task<(Guid Outbox, Guid Message)> LeaveMessagesAsync(OrchestratorDbContext database, int messages)
    {
        var old = _clock.GetUtcNow() - TimeSpan.FromMinutes(1);
        var (outbox, message) = (Guid.CreateVersion7(old), Guid.CreateVersion7(old));
        database.Add(new OutboxState { OutboxId = outbox, LockId = outbox, Created = old.UtcDateTime });
        database.Add(new InboxState { MessageId = message, ConsumerId = message, LockId = message, Received = old.UtcDateTime, Consumed = old.UtcDateTime });
        database.AddRange(Enumerable.Range(0, 2 * messages).Select(number => new OutboxMessage
        {
            MessageId = Guid.CreateVersion7(old),
            OutboxId = number < messages ? outbox : null,
            InboxMessageId = number < messages ? null : message,
            InboxConsumerId = number < messages ? null : message,
            SentTime = old.UtcDateTime,
            ContentType = "application/vnd.masstransit+json",
            MessageType = "urn:message:ConcertSaga.Contracts.Reservations:ReservationChanged",
            Body = "{}",
            DestinationAddress = new Uri("loopback://localhost/nobody-listens")
        }));
        await database.SaveChangesAsync();
        database.ChangeTracker.Clear();
        return (outbox, message);
    }

    private static async Task FailAtTheLastStepAsync(ProductHost host)
    {
        await ExpectAsync(201, host.CallAsync("rosa", HttpMethod.Post, "/api/points/charges", new { amount = 1_000_000 }, Guid.CreateVersion7()));
        await Eventually.TrueAsync(
            async () => (await host.CallAsync("rosa", HttpMethod.Post, "/api/reservations", new { scheduleId = 5, seatNumbers = new[] { 1 }, pay = true }, Guid.CreateVersion7())).Status == 409,
            Limit, "the last step is refused and everything undone");
        Assert.Equal(1_000_000, (await host.CallAsync("rosa", HttpMethod.Get, "/api/points")).Body.GetProperty("balance").GetInt64());
    }

    private void NamesLeadSomewhere()
    {
        foreach (var owner in Owners.Names)
        {
            using var context = Owners.Create(owner);
            using var model = Sql.Model(context.Database.GenerateCreateScript());
            var number = 0;
            // The long ones are the same statement with more rows.
            foreach (var statement in _server.Statements.Where(statement => statement.Owner == owner && statement.Text.Length < 8_000))
            {
                // Tables of one connection are known in no procedure but the one that makes them; for the names in them any table will do.
                var text = statement.Text.Replace("\"#", "\"", StringComparison.Ordinal);
                if (text.StartsWith("CREATE TABLE", StringComparison.Ordinal))
                    model.AddObjects(text);
                else if (!text.StartsWith("DROP TABLE", StringComparison.Ordinal))
                    model.AddObjects(Sql.Procedure($"P{number++}", text, statement.Parameters));
            }
            Assert.True(number > 0, $"{owner} sent nothing");
            Sql.HasNoErrors(model);
        }
    }

    private void EveryCallWasReached()
    {
        var reached = _server.Places.ToLookup(place => Path.GetFileName(place.File), place => place.Line);
        var missed = new List<string>();
        foreach (var folder in new[] { "Orchestrator", "Services", "Shared.Persistence", "Shared.Hosting" })
        {
            foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
                .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/Migrations/", StringComparison.Ordinal)))
                missed.AddRange(MissedIn(file, [.. reached[Path.GetFileName(file)]]));
        }
        Assert.True(missed.Count == 0, "These statements were never sent:\n" + string.Join('\n', missed));
    }

    private static IEnumerable<string> MissedIn(string file, HashSet<int> reached)
    {
        var lines = File.ReadAllLines(file);
        var method = "";
        for (var line = 1; line <= lines.Length; line++)
        {
            if (Declaration().Match(lines[line - 1]) is { Success: true } declared)
                method = declared.Groups[1].Value;
            if (!Call().IsMatch(lines[line - 1]) || NotReached.Keys.Any(lines[line - 1].Contains) || Unused.Contains($"{Path.GetFileName(file)}:{method}"))
                continue;
            // A statement counts by the line it begins on, which is below the last line that ends another.
            var from = line;
            while (from > 1 && (!Ends().IsMatch(lines[from - 2]) || Opened(lines[(from - 1)..line]) < 0))
                from--;
            // Optimised code tells places less exactly, and may name the line before. One that sends nothing itself can only stand for this one.
            if (from > 1 && !Call().IsMatch(lines[from - 2]))
                from--;
            if (!Enumerable.Range(from, line - from + 1).Any(reached.Contains))
                yield return $"{Path.GetFileName(file)}({line}): {lines[line - 1].Trim()} (reached nearby: {string.Join(", ", reached.Where(other => Math.Abs(other - line) < 15).Order())})";
        }
    }

    private static int Opened(string[] lines) => lines.Sum(line => line.Count(c => c == '(') - line.Count(c => c == ')'));

    private static async Task ExpectAsync(int status, Task<(int Status, System.Text.Json.JsonElement Body)> call)
    {
        var (found, body) = await call;
        Assert.True(status == found, $"{found} instead of {status}: {(body.ValueKind == System.Text.Json.JsonValueKind.Undefined ? "" : body)}");
    }

    // Whatever makes EF Core, or the plain command of the inbox, send something.
    [GeneratedRegex(@"\.(ToListAsync|ToArrayAsync|First(OrDefault)?Async|Single(OrDefault)?Async|AnyAsync|CountAsync|SumAsync|ExecuteUpdateAsync|ExecuteDeleteAsync|SaveChangesAsync|ExecuteScalarAsync|ExecuteNonQueryAsync|ExecuteReaderAsync|CanConnectAsync|MigrateAsync)\(")]
    private static partial Regex Call();

    [GeneratedRegex(@"^\s*(?:public|private|internal|protected)[\w\s<>,?\[\]().]* (\w+)(?:<\w+>)?\(")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"([;{}]|^)\s*$|^\s*//|=>\s*$|^\s*else$|^\s*do$")]
    private static partial Regex Ends();
}
