using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>A customer who is refused repeatedly must wait, and then leaves no further rows.</summary>
public sealed class RefusalLimitTests
{
    [Fact]
    public async Task Reserve_RefusedRepeatedly_MustWaitAndWritesNoMoreRows()
    {
        await using var host = await LimitedAsync(10);
        var (user, other) = (host.User(), host.User());
        await user.HoldAsync();
        var key = Guid.CreateVersion7();
        (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS");

        var answers = new List<Answer>();
        for (var i = 0; i < 40; i++)
            answers.Add(await user.ReserveAsync());

        // The request before the loop used one of the ten.
        var refused = answers.Count(answer => answer.Code == "RESERVATION_IN_PROGRESS");
        Assert.Equal(9, refused);
        Assert.All(answers.Where(answer => answer.Code != "RESERVATION_IN_PROGRESS"), answer => answer.Is(429, "TOO_MANY_REQUESTS"));
        Assert.Equal(2 + refused, await RowsOfAsync(host, user));
        // The limit concerns neither repeats nor other customers.
        Assert.True((await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS").IsReplay);
        await other.HoldAsync();
    }

    [Fact]
    public async Task Reserve_RefusedManyTimesAtOnce_MustWait()
    {
        await using var host = await LimitedAsync(3);
        var user = host.User();
        await user.HoldAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => user.ReserveAsync()));

        Assert.Equal(3, answers.Count(answer => answer.Code == "RESERVATION_IN_PROGRESS"));
        Assert.Equal(1 + 3, await RowsOfAsync(host, user));
    }

    [Fact]
    public async Task Pay_RefusedRepeatedly_MustWait()
    {
        await using var host = await LimitedAsync(3);
        var user = host.User();
        var id = await user.HoldAsync();
        user.Script.RefuseDeduction();

        for (var i = 0; i < 3; i++)
            (await user.PayAsync(id)).Is(402, "INSUFFICIENT_POINTS");

        (await user.PayAsync(id)).Is(429, "TOO_MANY_REQUESTS");
        Assert.Equal(3, user.Script.Commands.OfType<Contracts.Points.DeductPoints>().Count());
    }

    [Fact]
    public async Task Cancel_UnpaidRepeatedly_MakesTheNextRequestWait()
    {
        await using var host = await LimitedAsync(3);
        var user = host.User();

        for (var i = 0; i < 3; i++)
            (await user.CancelAsync(await user.HoldAsync())).Is(200).Has("Cancelled");

        (await user.ReserveAsync()).Is(429, "TOO_MANY_REQUESTS");
    }

    [Fact]
    public async Task Reserve_RefusedWhileNoCallWaits_CountsAsWell()
    {
        await using var host = await LimitedAsync(3);
        var user = host.User();
        user.Script.RefuseHold("SEAT_UNAVAILABLE", 7);

        for (var i = 0; i < 3; i++)
            await host.UntilItEndsAsync((await user.ReserveAsync(prefer: "respond-async")).ReservationId, ReservationStates.Rejected,
                TimeSpan.Zero);

        (await user.ReserveAsync()).Is(429, "TOO_MANY_REQUESTS");
    }

    [Fact]
    public async Task Limit_AsTimePasses_ForgetsOneRefusalAfterAnother()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:MaxRefusals=1");
        var user = host.User();
        await user.HoldAsync();

        for (var i = 0; i < 3; i++)
            await Testing.Eventually.TrueAsync(async () => (await user.ReserveAsync()).Status == 409, TimeSpan.FromSeconds(60),
                "another request is allowed");
    }

    // The limit forgets no refusal while the test runs.
    private static async Task<OrchestratorHost> LimitedAsync(int refusals)
    {
        var host = await OrchestratorHost.StartAsync($"--Reservation:MaxRefusals={refusals}");
        host.Get<IOptions<ReservationOptions>>().Value.RefusalForgottenAfter = TimeSpan.FromHours(1);
        Assert.Equal(refusals, host.Get<IOptions<ReservationOptions>>().Value.MaxRefusals);
        return host;
    }

    private static Task<int> RowsOfAsync(OrchestratorHost host, User user) =>
        host.DatabaseAsync(database => database.Reservations.CountAsync(row => row.UserId == user.Id));
}
