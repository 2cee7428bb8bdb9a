using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>A call waits for its outcome as long as it prefers.</summary>
public sealed class AnswerWaiterTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    [Theory]
    [InlineData("wait=0")]
    [InlineData("respond-async")]
    [InlineData("respond-async, handling=lenient")]
    [InlineData("Wait=0")]
    public async Task Reserve_PreferNotToWait_Is202AtOnce(string prefer)
    {
        var user = host.User();
        user.Script.Hold = _ => null;
        var key = Guid.CreateVersion7();

        var answer = (await user.ReserveAsync(key: key, prefer: prefer)).Is(202).Has("Pending");

        Assert.Equal($"/api/reservations/{answer.ReservationId}", answer.Response.Headers.Location?.OriginalString);
        Assert.Equal("1", answer.Response.Headers.GetValues("Retry-After").Single());
        (await user.GetAsync(answer.ReservationId)).Is(200).Has("Pending");
        Assert.True((await user.ReserveAsync(key: key, prefer: "wait=0")).Is(202).Has("Pending").IsReplay);
    }

    [Theory]
    [InlineData("wait=7", 7)]
    [InlineData("wait=10", 10)]
    [InlineData(null, 3)]
    [InlineData("wait = 7", 7)]
    [InlineData("wait=1, wait=0", 1)]
    [InlineData("custom; wait=0", 3)]
    [InlineData("wait=11", 3)]
    [InlineData("wait=-1", 3)]
    [InlineData("wait=soon", 3)]
    public async Task Reserve_Unanswered_WaitsAsLongAsPreferred(string? prefer, int seconds)
    {
        var user = host.User();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        user.Script.Hold = _ =>
        {
            asked.TrySetResult();
            return null;
        };
        var waitedSince = host.Clock.GetUtcNow();

        var call = user.ReserveAsync(prefer: prefer);
        await asked.Task;
        await host.AdvanceUntilAsync(() => Task.FromResult(call.IsCompleted), "the call is answered", TimeSpan.FromMilliseconds(100));

        (await call).Is(202).Has("Pending");
        Assert.InRange((host.Clock.GetUtcNow() - waitedSince).TotalSeconds, seconds, seconds + 2.5);
    }

    [Fact]
    public async Task Reserve_DecidedWhileItsCallerWaits_AnswersAtOnce()
    {
        var user = host.User();
        user.Script.Hold = _ => null;
        var call = user.ReserveAsync();
        await Testing.Eventually.TrueAsync(() => !user.Script.Commands.IsEmpty, TimeSpan.FromSeconds(60), "the hold is requested");
        var id = ((HoldSeats)user.Script.Commands.Single()).ReservationId;

        await host.Bus.Publish(new SeatsHeld(id, 1, 3, Machine.Start.AddDays(30), 100));

        (await call).Is(201).Has("AwaitingPayment");
    }
}
