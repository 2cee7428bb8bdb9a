using System.Text.Json;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Operations.Data;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Pages through every list with many rows of the same instant. Each row appears once.</summary>
public sealed class PagingTests(ServicesFixture services)
{
    private const int Rows = 23;

    // Not in the future, because services repair such instants.
    private static readonly DateTimeOffset Instant =
        DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() - 3600);

    private static readonly DateTimeOffset Start = new(2031, 5, 5, 18, 30, 0, TimeSpan.Zero);

    [Fact]
    public async Task Page_EdgeAmongRowsOfOneInstant_ShowsEachOnce()
    {
        var lists = services.Routes.Where(route => route.Query.Any(parameter => parameter.Name == "cursor")).ToList();
        Assert.True(lists.Count >= 6, string.Join(", ", lists));
        await AddAsync();
        foreach (var list in lists)
        {
            var all = await ReadAsync(list.Address, "cursor", "nextCursor", "limit=100");
            var pages = await ReadAsync(list.Address, "cursor", "nextCursor", "limit=4");
            // Other tests change rows meanwhile, so only rows of both readings are compared.
            var seen = $"{list.Address}: {string.Join(' ', pages)}, in one page: {string.Join(' ', all)}";
            Assert.True(all.Intersect(pages).SequenceEqual(pages.Intersect(all)), seen);
            Assert.True(pages.Distinct().Count() == pages.Count, seen);
        }
        foreach (var address in new[] { "/api/reservations", "/api/concerts/1/schedules", "/ops/api/deliveries",
            "/ops/api/failed-messages" })
            Assert.True((await ReadAsync(address, "cursor", "nextCursor", "limit=100")).Count >= Rows, address);
    }

    [Fact]
    public async Task Outcomes_EdgeAmongRowsOfOneInstant_ShowsEachOnce()
    {
        await AddAsync();
        var all = await ReadAsync("/internal/outcomes", "after", "next", "limit=1000");
        Assert.True(all.Count >= Rows, $"{all.Count}");
        Assert.Equal(all, await ReadAsync("/internal/outcomes", "after", "next", "limit=4"));
    }

    private async Task<List<string>> ReadAsync(string address, string parameter, string next, string query)
    {
        List<string> items = [];
        for (string? cursor = null; ;)
        {
            var reply = await services.SendAsync("GET", $"{address}?{query}{(cursor is null ? "" : $"&{parameter}={cursor}")}");
            Assert.True((int)reply.Status == 200, reply.ToString());
            using var page = JsonDocument.Parse(reply.Text);
            items.AddRange(page.RootElement.EnumerateObject().First(member => member.Value.ValueKind == JsonValueKind.Array)
                .Value.EnumerateArray().Select(IdOf));
            cursor = page.RootElement.EnumerateObject().FirstOrDefault(member => member.Name.StartsWith(next, StringComparison.Ordinal))
                is { Value.ValueKind: JsonValueKind.String } found
                ? found.Value.GetString() : null;
            if (cursor is null)
                return items;
        }
    }

    // Two owners may have an action of one id, which is followed by its owner.
    private static string IdOf(JsonElement item) =>
        string.Join('/', item.EnumerateObject().Take(2).Select(member => member.Value.GetRawText()));

    private async Task AddAsync()
    {
        using var scope = services.Services.CreateScope();
        var reservations = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        var ids = Enumerable.Range(0, Rows).Select(_ => Guid.CreateVersion7(Instant)).ToList();
        reservations.AddRange(ids.Select(id => new Reservation
        {
            CorrelationId = id,
            CurrentState = ReservationStates.Confirmed,
            Outcome = ReservationStates.Confirmed,
            UserId = "mina",
            ConcertId = 1,
            ScheduleId = 1,
            SeatNumbers = [1],
            TotalPrice = 1,
            ConfirmedAt = Instant,
            CreatedAt = Instant,
            UpdatedAt = Instant
        }));
        await reservations.SaveChangesAsync();
        var seats = scope.ServiceProvider.GetRequiredService<SeatsDbContext>();
        var last = await seats.Schedules.MaxAsync(schedule => schedule.ScheduleId);
        seats.AddRange(Enumerable.Range(last + 1, Rows).Select(id => new Schedule
        {
            ScheduleId = id,
            ConcertId = 1,
            StartsAt = Start,
            TotalSeats = 0,
            AvailableSeats = 0
        }));
        await seats.SaveChangesAsync();
        var deliveries = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        deliveries.AddRange(ids.Select(id => new Delivery
        {
            DeliveryId = id,
            ReservationId = id,
            EventType = "reservation.confirmed",
            Sequence = 1,
            Payload = "{}",
            Status = DeliveryStatus.Discarded,
            CreatedAt = Instant,
            Since = Instant,
            NextAttemptAt = Instant
        }));
        await deliveries.SaveChangesAsync();
        await AddOperationAsync(scope.ServiceProvider.GetRequiredService<OperationsDbContext>());
    }

    // The operation to which the address of its route leads.
    private async Task AddOperationAsync(OperationsDbContext operations)
    {
        var route = services.Routes.First(route => route.Template.StartsWith("/ops/api/operations/{", StringComparison.Ordinal));
        var operationId = Guid.Parse(route.Address.Split('/')[^1]);
        operations.AddRange(Enumerable.Range(0, Rows).Select(_ => new FailedMessage
        {
            Queue = "seats-hold",
            Kind = FailureKind.Error,
            MessageId = $"{Guid.CreateVersion7()}",
            Fingerprint = "",
            ReceivedAt = Instant,
            Size = 0,
            Headers = "{}",
            Body = []
        }));
        operations.AddRange(Enumerable.Range(0, Rows).Select(_ => new Operation
        {
            OperationId = Guid.CreateVersion7(),
            Kind = OperationKind.Requeue,
            Status = OperationStatus.Completed,
            Operator = "mina",
            Matched = 0,
            CreatedAt = Instant,
            StartedAt = Instant,
            CompletedAt = Instant
        }));
        if (!await operations.Operations.AnyAsync(operation => operation.OperationId == operationId))
        {
            operations.Add(new Operation
            {
                OperationId = operationId,
                Kind = OperationKind.Discard,
                Status = OperationStatus.Completed,
                Operator = "mina",
                Matched = Rows,
                CreatedAt = Instant
            });
            operations.AddRange(Enumerable.Range(1, Rows).Select(number => new OperationItem
            {
                OperationId = operationId,
                Number = number,
                FailedMessageId = number,
                Outcome = ItemOutcome.Skipped
            }));
        }
        await operations.SaveChangesAsync();
    }
}
