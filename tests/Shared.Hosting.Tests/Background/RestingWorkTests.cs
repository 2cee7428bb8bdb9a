using ConcertSaga.Shared.Hosting.Background;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Shared.Hosting.Tests.Background;

/// <summary>Background work leaves four fifths of the time to others, however long a batch takes.</summary>
public sealed class RestingWorkTests
{
    private readonly FakeTimeProvider _clock = new();

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(20_000)]
    public async Task Work_OfAnyDuration_IsFollowedByARestFourTimesAsLong(int milliseconds)
    {
        var done = WorkAsync(TimeSpan.FromMilliseconds(milliseconds), TestContext.Current.CancellationToken);

        _clock.Advance(TimeSpan.FromMilliseconds((4 * milliseconds) - 1));
        Assert.False(done.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(7, await done);
    }

    [Fact]
    public async Task Rest_AtTheEndOfTheProcess_Ends()
    {
        using var stop = new CancellationTokenSource();
        var done = WorkAsync(TimeSpan.FromHours(1), stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => done);
    }

    private Task<int> WorkAsync(TimeSpan duration, CancellationToken cancellationToken) => _clock.ThenRestAsync(() =>
    {
        _clock.Advance(duration);
        return Task.FromResult(7);
    }, cancellationToken);
}
