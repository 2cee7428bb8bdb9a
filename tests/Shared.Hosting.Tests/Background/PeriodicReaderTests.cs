using ConcertSaga.Shared.Hosting.Background;
using Microsoft.Extensions.Logging.Abstractions;

namespace ConcertSaga.Shared.Hosting.Tests.Background;

/// <summary>Periodic work that reads from another service waits for the address of that service.</summary>
public sealed class PeriodicReaderTests
{
    [Fact]
    public async Task Round_WithoutAnAddress_BeginsWhenTheAddressIsKnown()
    {
        Uri?[] known = [null];
        using var reader = new Reader(known);
        var round = reader.RunOnceAsync(TestContext.Current.CancellationToken);
        await Task.Delay(TimeSpan.FromMilliseconds(250), TestContext.Current.CancellationToken);
        Assert.Empty(reader.Read);
        Assert.False(round.IsCompleted);

        known[0] = new Uri("http://seats:8080");
        await round;

        Assert.Equal([new Uri("http://seats:8080")], reader.Read);
    }

    [Fact]
    public async Task Round_WithoutAnAddress_EndsWithTheProcess()
    {
        using var reader = new Reader([null]);
        using var stop = new CancellationTokenSource();
        var round = reader.RunOnceAsync(stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => round);
        Assert.Empty(reader.Read);
    }

    private sealed class Reader(Uri?[] known)
        : PeriodicReader("Reading", TimeSpan.FromMinutes(1), () => known[0], TimeProvider.System, NullLogger.Instance)
    {
        public List<Uri> Read { get; } = [];

        protected override Task ReadAsync(CancellationToken cancellationToken)
        {
            Read.Add(Address);
            return Task.CompletedTask;
        }
    }
}
