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
/// The line in front of a concert, through the gateway: what its routes answer, what a pass opens and when it ends. An operator stops and
/// changes the waiting room of the last concert while it runs, so no system has to be started again for that.
/// </summary>
public sealed class WaitingRoomTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output) : IAsyncDisposable
{
    private const int Concert = SeatsOfDate.LastConcert;

    private const string Room = "/ops/api/queue/concerts/3";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Dictionary<ISystem, Customer> _operators = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _operators.Values)
            await SetAsync(one, new { });
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Place_FromEntryToPurchase_IsSeenOnEveryRoute(SystemKind kind)
    {
        var (system, ops) = await StartAsync(kind);
        await SetAsync(ops, new { paused = true });
        var (first, second) = (await Customer.SignInAsync(system, points: 1_000_000), await Customer.SignInAsync(system));

        var entered = await first.EnterAsync(Concert);
        Assert.True(entered.Status == 201 && entered.Headers.Location?.OriginalString == "/api/queue/tokens/current", entered.ToString());
        var behind = await second.EnterAsync(Concert);
        Assert.Equal((201, entered.Number("position") + 1), (behind.Status, behind.Number("position")));
        CheckWaits(entered);
        CheckWaits(behind);

        // From another device: the same place, and nothing lost.
        var again = await first.EnterAsync(Concert);
        Assert.Equal((200, entered.Text("tokenId"), entered.Number("position")), (again.Status, again.Text("tokenId"), again.Number("position")));
        // The gateway may hear of the room a moment after the queue has answered.
        Answer polled = null!;
        await Eventually.TrueAsync(async () => (polled = await first.PollAsync(again.Text("token")!)).Text("admission") == "Paused", Limit, "the gateway has heard of the pause");
        Assert.Equal((200, entered.Text("tokenId"), entered.Number("position")), (polled.Status, polled.Text("tokenId"), polled.Number("position")));
        CheckWaits(polled);

        // Who leaves gives up the place, at once and everywhere; who enters again stands at the end.
        var third = await Customer.SignInAsync(system);
        var leaving = await third.EnterAsync(Concert);
        Assert.Equal(204, (await third.LeaveAsync(leaving.Text("token")!)).Status);
        await RefusedWithinASecondAsync(() => third.PollAsync(leaving.Text("token")!));
        Check(await third.LeaveAsync(leaving.Text("token")!), 410, "QUEUE_TOKEN_REVOKED");
        var returned = await third.EnterAsync(Concert);
        Assert.Equal((201, leaving.Number("position") + 1), (returned.Status, returned.Number("position")));

        // The stream tells of the place, then of the pass, then of its end.
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await using var events = first.FollowAsync("/api/queue/tokens/current/events", again.Text("token")!, stop.Token).GetAsyncEnumerator(stop.Token);
        Assert.True(await events.MoveNextAsync() && events.Current.Name == "position", events.Current.ToString());
        await SetAsync(ops, new { paused = false });
        while (events.Current.Name == "position")
            Assert.True(await events.MoveNextAsync());
        Assert.Equal(("active", 0), (events.Current.Name, events.Current.Data.GetProperty("position").GetInt64()));
        var pass = events.Current.Data.GetProperty("token").GetString()!;

        // A poll of the waiting token and entering again give the same pass as long as it lasts.
        Assert.Equal(("Active", entered.Text("tokenId")), (await first.PollAsync(again.Text("token")!) is var claimed ? claimed.Text("status") : null, claimed.Text("tokenId")));
        Assert.Equal((200, "Active"), (await first.EnterAsync(Concert) is var reentered ? reentered.Status : 0, reentered.Text("status")));
        Assert.Equal((200, "Active"), (await first.PollAsync(pass) is var active ? active.Status : 0, active.Text("status")));

        var seats = system.Seats.TakeDateOfLastConcert();
        var paid = await first.SendWithAsync(pass, HttpMethod.Post, "/api/reservations", new { scheduleId = seats.ScheduleId, seatNumbers = new[] { 1 }, pay = true });
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
    public async Task Pass_ThatHasBought_OpensNothingWithinASecond(SystemKind kind)
    {
        var (system, _) = await StartAsync(kind);
        var seats = system.Seats.TakeDateOfLastConcert();
        for (var round = 1; round <= 5; round++)
        {
            var customer = await Customer.SignInAsync(system, points: 1_000_000);
            var pass = await customer.PassAsync(Concert);
            var held = await customer.SendWithAsync(pass, HttpMethod.Post, "/api/reservations", new { scheduleId = seats.ScheduleId, seatNumbers = new[] { round } });
            Assert.True(held.Status == 201 && held.ReservationStatus == "AwaitingPayment", held.ToString());
            var paid = await customer.SendWithAsync(pass, HttpMethod.Post, $"/api/reservations/{held.ReservationId}/payment");
            Assert.True(paid.Status == 200 && paid.ReservationStatus == "Confirmed", paid.ToString());

            var took = await RefusedWithinASecondAsync(() => customer.SendWithAsync(pass, HttpMethod.Get, $"/api/schedules/{seats.ScheduleId}/seats"));
            output.WriteLine($"{kind}: the gateway refused the pass {took.TotalMilliseconds:0} ms after the payment was answered");
            foreach (var (method, path, body) in PassRoutes(seats.ScheduleId, held.ReservationId).Concat(TokenRoutes))
                Check(await customer.SendWithAsync(pass, method, path, body), 410, "QUEUE_TOKEN_REVOKED");

            // It takes no slot any more, and its owner may stand in line again.
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
    public async Task MarkedRoute_WithoutALivePassOfTheCaller_SaysWhy(SystemKind kind)
    {
        var (system, ops) = await StartAsync(kind);
        var (customer, other) = (await Customer.SignInAsync(system, points: 1_000_000), await Customer.SignInAsync(system));
        var seats = system.Seats.TakeDateOfLastConcert();
        var pass = await customer.PassAsync(Concert);
        var othersPass = await other.PassAsync(Concert);
        var held = await customer.SendWithAsync(pass, HttpMethod.Post, "/api/reservations", new { scheduleId = seats.ScheduleId, seatNumbers = new[] { 1 } });
        Assert.True(held.Status == 201, held.ToString());
        var marked = PassRoutes(seats.ScheduleId, held.ReservationId);

        // One letter of the signature is another one.
        var forged = pass[..^20] + (pass[^20] == 'A' ? 'B' : 'A') + pass[^19..];
        foreach (var (method, path, body) in marked.Concat(TokenRoutes))
        {
            Check(await customer.SendWithAsync(null, method, path, body), 400, "QUEUE_TOKEN_MISSING");
            Check(await customer.SendWithAsync("seven", method, path, body), 401, "QUEUE_TOKEN_INVALID");
            Check(await customer.SendWithAsync(forged, method, path, body), 401, "QUEUE_TOKEN_INVALID");
            Check(await customer.SendWithAsync(othersPass, method, path, body), 403, "QUEUE_TOKEN_NOT_YOURS");
        }

        // A pass of the caller, but for another concert; of the seats and of the reservation only the services know which it is.
        var (wrong, othersWrong) = (await customer.PassAsync(1), await other.PassAsync(1));
        foreach (var (method, path, body) in marked)
            Check(await (path == "/api/reservations" ? other.SendWithAsync(othersWrong, method, path, body) : customer.SendWithAsync(wrong, method, path, body)),
                403, "QUEUE_TOKEN_WRONG_CONCERT");
        Assert.Equal("AwaitingPayment", (await customer.GetAsync(held.ReservationId)).ReservationStatus);

        // Somebody who waits.
        await SetAsync(ops, new { paused = true });
        var waiting = await Customer.SignInAsync(system);
        var place = (await waiting.EnterAsync(Concert)).Text("token")!;
        foreach (var (method, path, body) in marked)
            Check(await waiting.SendWithAsync(place, method, path, body), 403, "QUEUE_TOKEN_NOT_ACTIVE");

        // Somebody who has left with the pass.
        Assert.Equal(204, (await other.LeaveAsync(othersPass)).Status);
        await RefusedWithinASecondAsync(() => other.PollAsync(othersPass));
        foreach (var (method, path, body) in marked.Concat(TokenRoutes))
            Check(await other.SendWithAsync(othersPass, method, path, body), 410, "QUEUE_TOKEN_REVOKED");

        // What is not marked needs none; and what was refused above has changed nothing.
        Assert.Equal("AwaitingPayment", (await customer.SendWithAsync(null, HttpMethod.Get, $"/api/reservations/{held.ReservationId}")).ReservationStatus);
        Assert.Equal(200, (await customer.SendWithAsync(pass, HttpMethod.Post, $"/api/reservations/{held.ReservationId}/payment")).Status);
        Assert.Equal(200, (await customer.SendWithAsync(null, HttpMethod.Delete, $"/api/reservations/{held.ReservationId}")).Status);
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Pass_WhoseTimeIsOver_OpensPaymentOnly(SystemKind kind)
    {
        var (system, ops) = await StartAsync(kind);
        await SetAsync(ops, new { passLifetime = "00:00:01" });
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var seats = system.Seats.TakeDateOfLastConcert();
        var pass = await customer.PassAsync(Concert);
        var held = await customer.SendWithAsync(pass, HttpMethod.Post, "/api/reservations", new { scheduleId = seats.ScheduleId, seatNumbers = new[] { 1 } });
        Assert.True(held.Status == 201, held.ToString());

        // One second of booking, and the five that clocks may be apart.
        var routes = PassRoutes(seats.ScheduleId, held.ReservationId);
        await Eventually.TrueAsync(async () => (await customer.SendWithAsync(pass, HttpMethod.Get, routes[0].Path)).Status == 410, TimeSpan.FromSeconds(8), "the pass ends");
        foreach (var (method, path, body) in routes[..^1])
            Check(await customer.SendWithAsync(pass, method, path, body), 410, "QUEUE_TOKEN_EXPIRED");
        Check(await customer.PollAsync(pass), 410, "QUEUE_TOKEN_EXPIRED");
        // The person is free to stand in line again, and the held seats can be paid with the old pass.
        Assert.Equal(201, (await customer.EnterAsync(Concert)).Status);
        var paid = await customer.SendWithAsync(pass, HttpMethod.Post, routes[^1].Path);
        Assert.True(paid.Status == 200 && paid.ReservationStatus == "Confirmed", paid.ToString());
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Slots_OfPeopleWhoNeverCome_AreGivenToTheNext(SystemKind kind)
    {
        var (system, ops) = await StartAsync(kind);
        await SetAsync(ops, new { paused = true });
        var people = new List<(Customer Customer, string Token)>();
        for (var i = 0; i < 6; i++)
        {
            var customer = await Customer.SignInAsync(system);
            people.Add((customer, (await customer.EnterAsync(Concert)).Text("token")!));
        }
        // Others of this system may still have passes; two slots more than that. The first two are offered them and do not come.
        var capacity = (await RoomAsync(ops)).GetProperty("slotsTaken").GetInt32() + 2;
        await SetAsync(ops, new { capacity, claimWindow = "00:00:01", paused = false });

        var watch = Stopwatch.StartNew();
        var most = 0;
        await Eventually.TrueAsync(async () =>
        {
            most = Math.Max(most, (await RoomAsync(ops)).GetProperty("slotsTaken").GetInt32());
            return (await people[2].Customer.PollAsync(people[2].Token)).Text("status") == "Active";
        }, TimeSpan.FromSeconds(10), "the third is let in");
        output.WriteLine($"{kind}: the third was let in after {watch.Elapsed.TotalSeconds:0.0} s, with at most {most} of {capacity} slots taken");
        Assert.InRange(most, 1, capacity);
        // At once where the pass of somebody else ended meanwhile; then the first could still come.
        if (TimeSpan.FromSeconds(4) - watch.Elapsed is var left && left > TimeSpan.Zero)
            await Task.Delay(left);
        Check(await people[0].Customer.PollAsync(people[0].Token), 410, "QUEUE_TOKEN_EXPIRED");
        // Too late is the end of that place only.
        Assert.Equal(201, (await people[0].Customer.EnterAsync(Concert)).Status);
    }

    [Theory]
    [InlineData(SystemKind.Embedded, EmbeddedSystem.Project)]
    [InlineData(SystemKind.Cluster, ClusterSystem.Queue)]
    [InlineData(SystemKind.Cluster, ClusterSystem.Gateway)]
    public async Task Places_AfterAKill_AreWhatTheyWere(SystemKind kind, string part)
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
        }, Limit, "every place is known");
        foreach (var (answer, old) in after.Zip(before))
            Assert.Equal((old.Text("tokenId"), old.Number("position"), "Waiting"), (answer.Text("tokenId"), answer.Number("position"), answer.Text("status")));
        var entered = await crowd[0].EnterAsync(Concert);
        Assert.Equal((200, before[0].Text("tokenId"), before[0].Number("position")), (entered.Status, entered.Text("tokenId"), entered.Number("position")));

        await SetAsync(ops, new { paused = false });
        var passes = await Task.WhenAll(crowd.Select(customer => customer.PassAsync(Concert)));
        Assert.Equal(crowd.Length, passes.Distinct().Count());
        foreach (var (customer, pass) in crowd.Zip(passes))
            Assert.Equal(204, (await customer.LeaveAsync(pass)).Status);
    }

    /// <summary>The routes that ask for a pass; the last is payment.</summary>
    private static (HttpMethod Method, string Path, object? Body)[] PassRoutes(int scheduleId, Guid reservationId) =>
    [
        (HttpMethod.Get, $"/api/concerts/{Concert}/schedules", null),
        (HttpMethod.Get, $"/api/schedules/{scheduleId}/seats", null),
        (HttpMethod.Get, $"/api/schedules/{scheduleId}/seats/events", null),
        (HttpMethod.Post, "/api/reservations", new { scheduleId, seatNumbers = new[] { 50 } }),
        (HttpMethod.Post, $"/api/reservations/{reservationId}/payment", null)
    ];

    /// <summary>The routes that take either kind of token.</summary>
    private static (HttpMethod Method, string Path, object? Body)[] TokenRoutes =>
    [
        (HttpMethod.Get, "/api/queue/tokens/current", null),
        (HttpMethod.Get, "/api/queue/tokens/current/events", null),
        (HttpMethod.Delete, "/api/queue/tokens/current", null)
    ];

    private static void CheckWaits(Answer answer)
    {
        // Nobody can say how long the pause will be.
        Assert.Equal(JsonValueKind.Null, answer.Body.GetProperty("estimatedWaitSeconds").ValueKind);
        Assert.True(answer.Text("status") == "Waiting" && answer.Number("concertId") == Concert && answer.Number("position") >= 1
            && answer.Number("peopleAhead") == answer.Number("position") - 1
            && answer.Number("pollAfterSeconds") is >= 0 and <= 60 && answer.Body.GetProperty("expiresAt").GetDateTimeOffset() > TimeProvider.System.GetUtcNow(), answer.ToString());
    }

    private static void Check(Answer answer, int status, string code) =>
        Assert.True(answer.Status == status && answer.Code == code && answer.Text("traceId") is not null, $"{answer} instead of {status} {code}");

    /// <summary>How long a revocation took to reach the gateway.</summary>
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

    private static async Task<JsonElement> RoomAsync(Customer ops)
    {
        var room = await ops.GetAsync(Room);
        Assert.True(room.Status == 200, room.ToString());
        return room.Body;
    }

    private static async Task SetAsync(Customer ops, object settings)
    {
        var set = await ops.SendAsync(HttpMethod.Put, Room, settings);
        Assert.True(set.Status == 200, set.ToString());
    }
}
