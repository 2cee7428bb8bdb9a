using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Background;

/// <summary>Periodic work that reads from another service, to make up for lost messages. The first round runs at process start.</summary>
/// <param name="work">The work, as the subject of a sentence.</param>
/// <param name="interval">The time between two rounds. A failed round is retried after a second.</param>
/// <param name="address">The configured address of the other service. AllInOne knows it only after its start.</param>
/// <param name="clock">Times the rounds.</param>
/// <param name="logger">The logger of the derived class.</param>
public abstract class PeriodicReader(string work, TimeSpan interval, Func<Uri?> address, TimeProvider clock, ILogger logger)
    : PeriodicTask(work, interval, clock, logger)
{
    private static readonly TimeSpan AddressInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>The address of the other service.</summary>
    protected Uri Address => address() ?? throw new HttpRequestException("The address of the other service is not known yet.");

    /// <inheritdoc />
    protected sealed override bool RunsAtStart => true;

    /// <inheritdoc />
    protected sealed override TimeSpan RetryInterval => TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    public sealed override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        while (address() is null)
            await Task.Delay(AddressInterval, Clock, cancellationToken);
        await ReadAsync(cancellationToken);
    }

    /// <summary>Runs one round, with a known address.</summary>
    protected abstract Task ReadAsync(CancellationToken cancellationToken);
}
