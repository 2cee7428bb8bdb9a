using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

/// <summary>The routes of operators and the record of their actions.</summary>
public sealed class DeliveryEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Facts_OfReservations_HaveTheirDeliveries(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(2);
        using var operations = relay.Gateway();

        using var answer = await operations.PostAsJsonAsync("/internal/facts/deliveries",
            new FactRequest([confirmed[1].ReservationId, Guid.CreateVersion7()]));
        var facts = (await answer.Content.ReadFromJsonAsync<DeliveryFacts>())!;

        var delivery = Assert.Single(facts.Items);
        Assert.Equal((confirmed[1].ReservationId, "reservation.confirmed", 1, "Pending", 0),
            (delivery.ReservationId, delivery.EventType, delivery.Sequence, delivery.Status, delivery.Attempts));
        Assert.Equal(relay.Clock.GetUtcNow().AddDays(-30), facts.KeptSince);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task SendAgain_OfADeadDelivery_RestartsItAndIsRecorded(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.Answer = async (_, context) =>
        {
            context.Response.StatusCode = 422;
            await context.Response.WriteAsync("no such concert");
        };
        var confirmed = (await relay.ReceiveAsync())[0];
        await relay.SendDueAsync();
        var id = (await relay.RowAsync()).DeliveryId;
        relay.Clock.Advance(TimeSpan.FromDays(40));
        // The cleaner never deletes dead deliveries.
        await relay.WithAsync<DeliveryCleaner, int>(cleaner => cleaner.CleanAsync(CancellationToken.None));

        var dead = await ReadAsync<DeliveryDetails>(relay.CallAsync(HttpMethod.Get, $"/{id}"));
        Assert.Equal((DeliveryStatus.Dead, "422 Unprocessable Entity: no such concert", null),
            (dead.Delivery.Status, dead.Delivery.LastError, dead.Delivery.NextAttemptAt));
        Assert.Equal((1, 422), (dead.Attempts.Single().Number, dead.Attempts.Single().StatusCode));
        Assert.Equal(confirmed.ReservationId, dead.Body.GetProperty("data").GetProperty("reservationId").GetGuid());

        var again = await ReadAsync<DeliveryDetails>(
            relay.CallAsync(HttpMethod.Post, $"/{id}/send-again", new { reason = "The concert is known there now." }));
        Assert.Equal((DeliveryStatus.Pending, relay.Clock.GetUtcNow()), (again.Delivery.Status, again.Delivery.NextAttemptAt));
        Assert.Equal([new ActionView("SendAgain", relay.Clock.GetUtcNow(), "olga", "The concert is known there now.")], again.Actions);
        relay.Platform.AnswerWith(500);
        await relay.SendDueAsync();
        // Without a fresh start, its age would end it now.
        var row = await relay.RowAsync();
        Assert.Equal((DeliveryStatus.Pending, 2), (row.Status, row.Attempts));
        Assert.InRange(row.NextAttemptAt - relay.Clock.GetUtcNow(), TimeSpan.Zero, TimeSpan.FromSeconds(30));
        relay.Platform.AnswerWith(200);
        relay.Clock.Advance(TimeSpan.FromSeconds(30));
        await relay.SendDueAsync();

        Assert.Equal((DeliveryStatus.Delivered, 3), ((await relay.RowAsync()).Status, (await relay.RowAsync()).Attempts));
        Assert.Equal([id], relay.Platform.Arrivals.Select(arrival => arrival.Id).Distinct());
        var done = await ReadAsync<DeliveryDetails>(relay.CallAsync(HttpMethod.Get, $"/{id}"));
        Assert.Equal([3, 2, 1], done.Attempts.Select(attempt => attempt.Number));

        // After a data loss at the platform, a delivered event is sent once more, under the same id.
        await ReadAsync<DeliveryDetails>(relay.CallAsync(HttpMethod.Post, $"/{id}/send-again", new { reason = "Lost there." }));
        Assert.Equal(1, await relay.SendDueAsync());
        Assert.Equal(4, relay.Platform.Arrivals.Count(arrival => arrival.Id == id));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Discard_OfAnEarlierEvent_ReleasesTheLaterOne(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.AnswerWith(400);
        var confirmed = (await relay.ReceiveAsync())[0];
        await relay.ReceiveAsync(RelayUnderTest.Cancelled(confirmed));
        await relay.SendDueAsync();
        relay.Platform.AnswerWith(200);
        Assert.Equal(0, await relay.SendDueAsync());
        var first = await relay.RowAsync(confirmed.ReservationId);

        var discarded = await ReadAsync<DeliveryDetails>(
            relay.CallAsync(HttpMethod.Post, $"/{first.DeliveryId}/discard", new { reason = "Never existed there." }));
        Assert.Equal(DeliveryStatus.Discarded, discarded.Delivery.Status);
        Assert.Equal([new ActionView("Discard", relay.Clock.GetUtcNow(), "olga", "Never existed there.")], discarded.Actions);
        Assert.Equal(1, await relay.SendDueAsync());

        Assert.Equal(["reservation.confirmed", "reservation.cancelled"], relay.Platform.Arrivals.Select(arrival => arrival.Type));
        // Repeating it changes and records nothing.
        discarded =
            await ReadAsync<DeliveryDetails>(relay.CallAsync(HttpMethod.Post, $"/{first.DeliveryId}/discard", new { reason = "Again." }));
        Assert.Single(discarded.Actions);
        await RefusedAsync(relay.CallAsync(HttpMethod.Post, $"/{(await relay.RowAsync(confirmed.ReservationId, 2)).DeliveryId}/discard",
            new { reason = "Late." }), 409, "DELIVERY_DELIVERED");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Delivery_BeingSent_CannotBeChanged(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.ReceiveAsync();
        var id = (await relay.RowAsync()).DeliveryId;
        await relay.WithAsync<IServiceScopeFactory, (int Seen, List<DeliveryLease> Leases)>(scopes => scopes.WithTransactionAsync(
            database => database.LeaseAsync(1, relay.Clock.GetUtcNow(), TimeSpan.FromMinutes(1), CancellationToken.None)));

        await RefusedAsync(relay.CallAsync(HttpMethod.Post, $"/{id}/send-again", new { reason = "Now." }), 409, "DELIVERY_UNDER_WAY");
        await RefusedAsync(relay.CallAsync(HttpMethod.Post, $"/{id}/discard", new { reason = "Now." }), 409, "DELIVERY_UNDER_WAY");
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        await ReadAsync<DeliveryDetails>(relay.CallAsync(HttpMethod.Post, $"/{id}/send-again", new { reason = "Now." }));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task List_PageByPage_ReturnsEachDeliveryOnceNewestFirst(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId.ToByteArray()[15] % 2 == 0 ? 200 : 400;
            return Task.CompletedTask;
        };
        for (var i = 0; i < 3; i++)
        {
            await relay.ReceiveAsync(3);
            relay.Clock.Advance(TimeSpan.FromSeconds(1));
        }
        await relay.SendDueAsync();
        var rows = await relay.RowsAsync();

        var seen = new List<DeliveryView>();
        for (string? cursor = null; ;)
        {
            var page = await ReadAsync<Page<DeliveryView>>(relay.CallAsync(HttpMethod.Get, $"?limit=2&cursor={cursor}"));
            seen.AddRange(page.Items);
            if ((cursor = page.NextCursor) is null)
                break;
        }
        Assert.Equal(rows.Select(row => row.DeliveryId).Order(), seen.Select(view => view.DeliveryId).Order());
        Assert.Equal(seen.Select(view => view.CreatedAt).OrderDescending(), seen.Select(view => view.CreatedAt));
        foreach (var (query, expected) in new (string, Func<Delivery, bool>)[]
        {
            ("status=Dead", row => row.Status == DeliveryStatus.Dead), ("status=Delivered", row => row.Status == DeliveryStatus.Delivered),
            ($"reservationId={rows[4].ReservationId}", row => row == rows[4]), ("eventType=reservation.confirmed", _ => true),
            ("eventType=reservation.cancelled", _ => false),
            ("from=2026-06-01T12:00:01Z&to=2026-06-01T12:00:02Z", row => row.CreatedAt == RelayUnderTest.Now.AddSeconds(1))
        })
        {
            var page = await ReadAsync<Page<DeliveryView>>(relay.CallAsync(HttpMethod.Get, $"?limit=100&{query}"));
            Assert.Equal(rows.Where(expected).Select(row => row.DeliveryId).Order(), page.Items.Select(view => view.DeliveryId).Order());
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Pause_UntilResumed_AppliesToAllReplicasAndIsRecorded(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2);
        var paused =
            await ReadAsync<DestinationView>(relay.CallAsync(HttpMethod.Post, "/destination/pause", new { reason = "Maintenance there." }));
        await ReadAsync<DestinationView>(relay.CallAsync(HttpMethod.Post, "/destination/pause", new { reason = "Again." }, user: "otto"));
        Assert.Equal((relay.Clock.GetUtcNow(), "olga", "Maintenance there."), (paused.PausedAt, paused.PausedBy, paused.PauseReason));
        await relay.ReceiveAsync();
        Assert.Equal(0, await relay.SendDueAsync() + await relay.SendDueAsync(1));

        relay.Clock.Advance(TimeSpan.FromHours(3));
        var resumed = await ReadAsync<DestinationView>(
            relay.CallAsync(HttpMethod.Post, "/destination/resume", new { reason = "Done." }, user: "otto"));
        Assert.Equal((null, "Closed", relay.Platform.Address.ToString()), (resumed.PausedAt, resumed.Breaker, resumed.Address));
        Assert.Equal(["Resume otto", "Pause olga"], resumed.Actions.Select(action => $"{action.Kind} {action.By}"));
        Assert.Equal(1, await relay.SendDueAsync(1));
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync()).Status);
    }

    [Theory]
    [InlineData("GET", "?eventType=other", "ops", null, 400, "BAD_REQUEST")]
    [InlineData("GET", "?eventType=", "ops", null, 400, "BAD_REQUEST")]
    [InlineData("GET", "", null, null, 403, "FORBIDDEN")]
    [InlineData("GET", "", "opsy,op", null, 403, "FORBIDDEN")]
    [InlineData("GET", "/destination", null, null, 403, "FORBIDDEN")]
    [InlineData("POST", "/destination/resume", "customer", """{"reason":"x"}""", 403, "FORBIDDEN")]
    [InlineData("GET", "/019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d", "ops", null, 404, "DELIVERY_NOT_FOUND")]
    [InlineData("POST", "/019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d/send-again", "ops", """{"reason":"x"}""", 404, "DELIVERY_NOT_FOUND")]
    [InlineData("POST", "/019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d/discard", "customer,ops", """{"reason":"x"}""", 404, "DELIVERY_NOT_FOUND")]
    [InlineData("POST", "/019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d/discard", "ops", """{"reason":" "}""", 422, "INVALID_REASON")]
    [InlineData("POST", "/019c2f05-5a3e-7c41-9d0b-3f8e6a1b2c4d/send-again", "ops", "{}", 422, "INVALID_REASON")]
    [InlineData("POST", "/destination/pause", "ops", "{}", 422, "INVALID_REASON")]
    [InlineData("GET", "?status=Lost", "ops", null, 400, "BAD_REQUEST")]
    [InlineData("GET", "?limit=201", "ops", null, 400, "BAD_REQUEST")]
    [InlineData("GET", "?cursor=nonsense", "ops", null, 400, "BAD_REQUEST")]
    [InlineData("GET", "?from=yesterday", "ops", null, 400, "BAD_REQUEST")]
    public async Task Request_ThatIsInvalid_IsRefused(string method, string route, string? roles, string? body, int status, string code)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        await RefusedAsync(relay.CallAsync(new HttpMethod(method), route, body is null ? null
            : JsonSerializer.Deserialize<JsonElement>(body), roles), status, code);
    }

    private static async Task<T> ReadAsync<T>(Task<HttpResponseMessage> call)
    {
        using var answer = await call;
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
        return (await answer.Content.ReadFromJsonAsync<T>())!;
    }

    private static async Task RefusedAsync(Task<HttpResponseMessage> call, int status, string code)
    {
        using var answer = await call;
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal((status, code), ((int)answer.StatusCode, problem.GetProperty("code").GetString()));
    }
}
