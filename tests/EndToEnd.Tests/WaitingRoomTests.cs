using System.Diagnostics;
using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// Calls the waiting room through the gateway, and checks what a pass opens and when it ends. An operator pauses and changes the waiting
/// room of the last concert while it runs, so no system has to be restarted.
/// </summary>
[Trait("Part", "Sale")]
public sealed class WaitingRoomTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
    : IAsyncDisposable
{
    private const int Concert = SeatSelection.LastConcert;

    private const string Room = "/ops/api/waiting-rooms/3";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Dictionary<ISystem, Customer> _operators = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var ops in _operators.Values)
            await SetAsync(ops, new
            {
                capacity = (int?)null,
                batchSize = (int?)null,
                interval = (string?)null,
                claimWindow = (string?)null,
                passLifetime = (string?)null,
                paused = false
            });
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Entry_UntilThePurchase_ShowsOnEveryRoute(SystemKind kind)
    {
        var (system, ops) = await StartAsync(kind);
        await SetAsync(ops, new { paused = true });
        var first = await Customer.SignInAsync(system, points: 1_000_000);
        var second = await Customer.SignInAsync(system);

        var entered = await first.EnterAsync(Concert);
        Assert.True(entered.Status == 201 && entered.Headers.Location?.OriginalString == "/api/queue/tokens/current", entered.ToString());
        var behind = await second.EnterAsync(Concert);
        Assert.Equal((201, entered.Number("position") + 1), (behind.Status, behind.Number("position")));
        CheckWaiting(entered);
        CheckWaiting(behind);

        // Entering from another device returns the same entry.
        var again = await first.EnterAsync(Concert);
        Assert.Equal((200, entered.Text("tokenId"), entered.Number("position")),
            (again.Status, again.Text("tokenId"), again.Number("position")));
        // The gateway may learn of the pause shortly after the queue has answered.
        Answer polled = null!;
        await Eventually.TrueAsync(async () => (polled = await first.PollAsync(again.Text("token")!)).Text("admission") == "Paused", Limit,
            "the gateway shows the pause");
        Assert.Equal((200, entered.Text("tokenId"), entered.Number("position")),
            (polled.Status, polled.Text("tokenId"), polled.Number("position")));
        CheckWaiting(polled);

        // A customer who leaves loses the entry at once on every route, and enters again at the end.
        var third = await Customer.SignInAsync(system);
        var leaving = await third.EnterAsync(Concert);
        Assert.Equal(204, (await third.LeaveAsync(leaving.Text("token")!)).Status);
        await RefusedWithinASecondAsync(() => third.PollAsync(leaving.Text("token")!));
        // A repeated call gets the same answer.
        Assert.Equal(204, (await third.LeaveAsync(leaving.Text("token")!)).Status);
        var returned = await third.EnterAsync(Concert);
        Assert.Equal((201, leaving.Number("position")), (returned.Status, returned.Number("position")));

        // The stream sends the position, then the pass, then its end.
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await using var events = first.FollowAsync("/api/queue/tokens/current/events", again.Text("token")!, stop.Token)
            .GetAsyncEnumerator(stop.Token);
        Assert.True(await events.MoveNextAsync() && events.Current.Name == "position", events.Current.ToString());
        await SetAsync(ops, new { paused = false });
        while (events.Current.Name == "position")
            Assert.True(await events.MoveNextAsync());
        Assert.Equal(("active", 0), (events.Current.Name, events.Current.Data.GetProperty("position").GetInt64()));
        var pass = events.Current.Data.GetProperty("token").GetString()!;

        // Polling with the waiting token and entering again return the same pass while it lasts.
        Assert.Equal(("Active", entered.Text("tokenId")),
            (await first.PollAsync(again.Text("token")!) is var claimed ? claimed.Text("status") : null, claimed.Text("tokenId")));
        Assert.Equal((200, "Active"), (await first.EnterAsync(Concert) is var reentered ? reentered.Status : 0, reentered.Text("status")));
        Assert.Equal((200, "Active"), (await first.PollAsync(pass) is var active ? active.Status : 0, active.Text("status")));

        var seats = system.Seats.TakeScheduleOfLastConcert();
        var paid = await first.SendWithAsync(pass, HttpMethod.Post, "/api/reservations",
            new { scheduleId = seats.ScheduleId, seatNumbers = new[] { 1 }, pay = true });
        Assert.True(paid.Status == 201 && paid.ReservationStatus == "Confirmed", paid.ToString());
        while (events.Current.Name == "active")
            Assert.True(await events.MoveNextAsync());
        Assert.Equal(("completed", "Completed"), (events.Current.Name, events.Current.Data.GetProperty("status").GetString()));
        Assert.False(await events.MoveNextAsync());
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Pass_AfterAPurchase_IsRevokedWithinASecond(SystemKind kind)
    {
        var (system, _) = await StartAsync(kind);
        var seats = system.Seats.TakeScheduleOfLastConcert();
        for (var round = 1; round <= 5; round++)
        {
            var customer = await Customer.SignInAsync(system, points: 1_000_000);
            var pass = await customer.PassAsync(Concert);
            var held = await customer.SendWithAsync(pass, HttpMethod.Post, "/api/reservations",
                new { scheduleId = seats.ScheduleId, seatNumbers = new[] { round } });
            Assert.True(held.Status == 201 && held.ReservationStatus == "AwaitingPayment", held.ToString());
            var paid = await customer.SendWithAsync(pass, HttpMethod.Post, $"/api/reservations/{held.ReservationId}/payment");
            Assert.True(paid.Status == 200 && paid.ReservationStatus == "Confirmed", paid.ToString());

            var took = await RefusedWithinASecondAsync(() =>
                customer.SendWithAsync(pass, HttpMethod.Get, $"/api/schedules/{seats.ScheduleId}/seats"));
            output.WriteLine($"{kind}: the gateway refused the pass {took.TotalMilliseconds:0} ms after the payment was answered");
            foreach (var (method, path, body) in PassRoutes(seats.ScheduleId, held.ReservationId).Concat(TokenRoutes)
                .Where(route => !route.Path.EndsWith("/payment", StringComparison.Ordinal)))
                Check(await customer.SendWithAsync(pass, method, path, body), 410, "QUEUE_TOKEN_REVOKED");
            // This payment repeats the one that succeeded.
            var repeated = await customer.SendWithAsync(pass, HttpMethod.Post, $"/api/reservations/{held.ReservationId}/payment");
            Assert.True(repeated.Status == 200 && repeated.ReservationStatus == "Confirmed", repeated.ToString());

            // The pass no longer takes a slot, and its owner may enter again.
            var again = await customer.EnterAsync(Concert);
            Assert.Equal(201, again.Status);
            // A cancellation needs no pass.
            Assert.Equal(200, (await customer.SendWithAsync(null, HttpMethod.Delete, $"/api/reservations/{held.ReservationId}")).Status);
        }
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task ProtectedRoute_WithoutALivePassOfTheCaller_SaysWhy(SystemKind kind)
    {
        var (system, ops) = await StartAsync(kind);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var other = await Customer.SignInAsync(system);
        var seats = system.Seats.TakeScheduleOfLastConcert();
        var pass = await customer.PassAsync(Concert);
        var othersPass = await other.PassAsync(Concert);
        var held = await customer.SendWithAsync(pass, HttpMethod.Post, "/api/reservations",
            new { scheduleId = seats.ScheduleId, seatNumbers = new[] { 1 } });
        Assert.True(held.Status == 201, held.ToString());
        var protectedRoutes = PassRoutes(seats.ScheduleId, held.ReservationId);

        // The forged token differs in one letter of the signature.
        var forged = pass[..^20] + (pass[^20] == 'A' ? 'B' : 'A') + pass[^19..];
        foreach (var (method, path, body) in protectedRoutes.Concat(TokenRoutes))
        {
            Check(await customer.SendWithAsync(null, method, path, body), 400, "QUEUE_TOKEN_MISSING");
            Check(await customer.SendWithAsync("seven", method, path, body), 401, "QUEUE_TOKEN_INVALID");
            Check(await customer.SendWithAsync(forged, method, path, body), 401, "QUEUE_TOKEN_INVALID");
            Check(await customer.SendWithAsync(othersPass, method, path, body), 403, "QUEUE_TOKEN_NOT_YOURS");
        }

        // The caller's pass is for another concert. Only the services know the concert of seats and reservations.
        var wrong = await customer.PassAsync(1);
        var othersWrong = await other.PassAsync(1);
        foreach (var (method, path, body) in protectedRoutes)
            Check(await (path == "/api/reservations" ? other.SendWithAsync(othersWrong, method, path, body)
                : customer.SendWithAsync(wrong, method, path, body)),
                403, "QUEUE_TOKEN_WRONG_CONCERT");
        Assert.Equal("AwaitingPayment", (await customer.GetAsync(held.ReservationId)).ReservationStatus);

        // A waiting customer has no pass yet.
        await SetAsync(ops, new { paused = true });
        var waiting = await Customer.SignInAsync(system);
        var place = (await waiting.EnterAsync(Concert)).Text("token")!;
        foreach (var (method, path, body) in protectedRoutes)
            Check(await waiting.SendWithAsync(place, method, path, body), 403, "QUEUE_TOKEN_NOT_ACTIVE");

        // The other customer leaves and loses the pass.
        Assert.Equal(204, (await other.LeaveAsync(othersPass)).Status);
        await RefusedWithinASecondAsync(() => other.PollAsync(othersPass));
        foreach (var (method, path, body) in protectedRoutes.Concat(TokenRoutes[..^1]))
            Check(await other.SendWithAsync(othersPass, method, path, body), 410, "QUEUE_TOKEN_REVOKED");
        Assert.Equal(204, (await other.LeaveAsync(othersPass)).Status);

        // Other routes need no pass, and the refused calls above have changed nothing.
        Assert.Equal("AwaitingPayment",
            (await customer.SendWithAsync(null, HttpMethod.Get, $"/api/reservations/{held.ReservationId}")).ReservationStatus);
        Assert.Equal(200, (await customer.SendWithAsync(pass, HttpMethod.Post, $"/api/reservations/{held.ReservationId}/payment")).Status);
        Assert.Equal(200, (await customer.SendWithAsync(null, HttpMethod.Delete, $"/api/reservations/{held.ReservationId}")).Status);
        await Auditor.CheckAsync(system, Limit);
    }

    [Fact]
    public Task Pass_AfterItsLifetime_OpensPaymentOnly() => OnBothAsync(async (_, system, ops) =>
    {
        await SetAsync(ops, new { passLifetime = "00:00:01" });
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var seats = system.Seats.TakeScheduleOfLastConcert();
        var pass = await customer.PassAsync(Concert);
        var held = await customer.SendWithAsync(pass, HttpMethod.Post, "/api/reservations",
            new { scheduleId = seats.ScheduleId, seatNumbers = new[] { 1 } });
        Assert.True(held.Status == 201, held.ToString());

        // The pass lasts one second, plus ten seconds of allowed clock difference.
        var routes = PassRoutes(seats.ScheduleId, held.ReservationId);
        await Eventually.TrueAsync(async () => (await customer.SendWithAsync(pass, HttpMethod.Get, routes[0].Path)).Status == 410,
            TimeSpan.FromSeconds(14), "the pass ends", Eventually.LongPause);
        foreach (var (method, path, body) in routes[..^1])
            Check(await customer.SendWithAsync(pass, method, path, body), 410, "QUEUE_TOKEN_EXPIRED");
        Check(await customer.PollAsync(pass), 410, "QUEUE_TOKEN_EXPIRED");
        // The customer may enter again, and the old pass still pays for the held seats.
        Assert.Equal(201, (await customer.EnterAsync(Concert)).Status);
        var paid = await customer.SendWithAsync(pass, HttpMethod.Post, routes[^1].Path);
        Assert.True(paid.Status == 200 && paid.ReservationStatus == "Confirmed", paid.ToString());
        await Auditor.CheckAsync(system, Limit);
    });

    [Fact]
    public Task Slots_OfAbsentCustomers_AreOfferedToTheNext() => OnBothAsync(async (kind, system, ops) =>
    {
        await SetAsync(ops, new { paused = true });
        var waiting = new List<(Customer Customer, string Token)>();
        for (var i = 0; i < 6; i++)
        {
            var customer = await Customer.SignInAsync(system);
            waiting.Add((customer, (await customer.EnterAsync(Concert)).Text("token")!));
        }
        // Customers of other tests may still hold passes, so this adds two slots to those. The first two customers ignore their offers.
        var capacity = (await RoomAsync(ops)).GetProperty("slotsTaken").GetInt32() + 2;
        await SetAsync(ops, new { capacity, claimWindow = "00:00:03", paused = false });

        var watch = Stopwatch.StartNew();
        var maxTaken = 0;
        await Eventually.TrueAsync(async () =>
        {
            maxTaken = Math.Max(maxTaken, (await RoomAsync(ops)).GetProperty("slotsTaken").GetInt32());
            return (await waiting[2].Customer.PollAsync(waiting[2].Token)).Text("status") == "Active";
        }, TimeSpan.FromSeconds(60), "the third customer is admitted", Eventually.LongPause);
        output.WriteLine(
            $"{kind}: the third customer was admitted after {watch.Elapsed.TotalSeconds:0.0} s, with at most {maxTaken} of {capacity} "
                + "slots taken");
        Assert.InRange(maxTaken, 1, capacity);
        // A pass of another test may have ended meanwhile. Then the first customer's offer is still open, so wait for its end.
        if (TimeSpan.FromSeconds(6) - watch.Elapsed is var left && left > TimeSpan.Zero)
            await Task.Delay(left);
        Check(await waiting[0].Customer.PollAsync(waiting[0].Token), 410, "QUEUE_TOKEN_EXPIRED");
        // Only that entry has ended; the customer may enter again.
        Assert.Equal(201, (await waiting[0].Customer.EnterAsync(Concert)).Status);
    });

    [Theory]
    [InlineData(SystemKind.Embedded, EmbeddedSystem.Project)]
    [InlineData(SystemKind.Cluster, ClusterSystem.Queue)]
    [InlineData(SystemKind.Cluster, ClusterSystem.Gateway)]
    public async Task Entries_AfterAKill_AreUnchanged(SystemKind kind, string part)
    {
        var (system, ops) = await StartAsync(kind);
        await SetAsync(ops, new { paused = true });
        var crowd = await Customer.SignInAsync(system, 50, points: 0);
        var before = await Task.WhenAll(crowd.Select(customer => Task.Run(() => customer.EnterAsync(Concert))));
        Assert.All(before, answer => Assert.True(answer.Status == 201, answer.ToString()));
        Assert.Equal(crowd.Length, before.Select(answer => answer.Number("position")).Distinct().Count());
        Assert.Equal(crowd.Length - 1, before.Max(answer => answer.Number("position")) - before.Min(answer => answer.Number("position")));

        await system.KillAsync(part);
        await system.StartAsync(part);

        Answer[] after = [];
        await Eventually.TrueAsync(async () =>
        {
            after = await Task.WhenAll(crowd.Select((customer, index) => Task.Run(() => customer.PollAsync(before[index].Text("token")!))));
            return after.All(answer => answer.Status == 200);
        }, Limit, "every entry is known");
        foreach (var (answer, old) in after.Zip(before))
            Assert.Equal((old.Text("tokenId"), old.Number("position"), "Waiting"),
                (answer.Text("tokenId"), answer.Number("position"), answer.Text("status")));
        var entered = await crowd[0].EnterAsync(Concert);
        Assert.Equal((200, before[0].Text("tokenId"), before[0].Number("position")),
            (entered.Status, entered.Text("tokenId"), entered.Number("position")));

        await SetAsync(ops, new { paused = false });
        var passes = await Task.WhenAll(crowd.Select(customer => customer.PassAsync(Concert)));
        Assert.Equal(crowd.Length, passes.Distinct().Count());
        foreach (var (customer, pass) in crowd.Zip(passes))
            Assert.Equal(204, (await customer.LeaveAsync(pass)).Status);
    }

    /// <summary>The routes that require a pass; payment comes last.</summary>
    private static (HttpMethod Method, string Path, object? Body)[] PassRoutes(int scheduleId, Guid reservationId) =>
    [
        (HttpMethod.Get, $"/api/concerts/{Concert}/schedules", null),
        (HttpMethod.Get, $"/api/schedules/{scheduleId}/seats", null),
        (HttpMethod.Get, $"/api/schedules/{scheduleId}/seats/events", null),
        (HttpMethod.Post, "/api/reservations", new { scheduleId, seatNumbers = new[] { 50 } }),
        (HttpMethod.Post, $"/api/reservations/{reservationId}/payment", null)
    ];

    /// <summary>The routes that accept either kind of token; leaving comes last.</summary>
    private static (HttpMethod Method, string Path, object? Body)[] TokenRoutes =>
    [
        (HttpMethod.Get, "/api/queue/tokens/current", null),
        (HttpMethod.Get, "/api/queue/tokens/current/events", null),
        (HttpMethod.Delete, "/api/queue/tokens/current", null)
    ];

    private static void CheckWaiting(Answer answer)
    {
        // The length of a pause is unknown.
        Assert.Equal(JsonValueKind.Null, answer.Body.GetProperty("estimatedWaitSeconds").ValueKind);
        Assert.True(answer.Text("status") == "Waiting" && answer.Number("concertId") == Concert && answer.Number("position") >= 1
            && answer.Number("peopleAhead") == answer.Number("position") - 1
            && answer.Number("pollAfterSeconds") is >= 0 and <= 60
                && answer.Body.GetProperty("expiresAt").GetDateTimeOffset() > TimeProvider.System.GetUtcNow(), answer.ToString());
    }

    private static void Check(Answer answer, int status, string code) =>
        Assert.True(answer.Status == status && answer.Code == code
            && answer.Text("traceId") is not null, $"{answer} instead of {status} {code}");

    /// <summary>Returns how long the revocation took to reach the gateway.</summary>
    private static async Task<TimeSpan> RefusedWithinASecondAsync(Func<Task<Answer>> ask)
    {
        var watch = Stopwatch.StartNew();
        Answer answer;
        TimeSpan asked;
        do
        {
            asked = watch.Elapsed;
            answer = await ask();
        }
        while (answer.Status is 200 or 304 && asked < TimeSpan.FromSeconds(1));
        Check(answer, 410, "QUEUE_TOKEN_REVOKED");
        return asked;
    }

    private async Task<(ISystem System, Customer Operator)> StartAsync(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        return (system, _operators[system] = await Customer.SignInAsync(system, 0, "ops"));
    }

    // Runs a test that mostly waits on both systems at once.
    private async Task OnBothAsync(Func<SystemKind, ISystem, Customer, Task> test)
    {
        var targets = new List<(SystemKind Kind, ISystem System, Customer Operator)>();
        foreach (var kind in Enum.GetValues<SystemKind>())
        {
            var (system, ops) = await StartAsync(kind);
            targets.Add((kind, system, ops));
        }
        await Task.WhenAll(targets.Select(async target =>
        {
            try
            {
                await test(target.Kind, target.System, target.Operator);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"{target.Kind}: {exception.Message}", exception);
            }
        }));
    }

    private static async Task<JsonElement> RoomAsync(Customer ops)
    {
        var room = await ops.GetAsync(Room);
        Assert.True(room.Status == 200, room.ToString());
        return room.Body;
    }

    private static async Task SetAsync(Customer ops, object settings)
    {
        var change = JsonSerializer.SerializeToNode(settings)!.AsObject();
        change["reason"] = "A step of the test.";
        var set = await ops.SendAsync(HttpMethod.Patch, Room, change);
        Assert.True(set.Status == 200, set.ToString());
    }
}
