using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Background;

/// <summary>
/// Repeats work until the process ends. A failed round does not end it: the next round retries, and <see cref="OutageLog"/> reports each
/// outage in two lines.
/// </summary>
/// <param name="work">The work, as the subject of a sentence, such as <c>Deleting old charge keys</c>.</param>
/// <param name="interval">The time between two rounds. A longer round delays the next one.</param>
/// <param name="clock">Times the rounds.</param>
/// <param name="logger">The logger of the derived class.</param>
public abstract class PeriodicTask(string work, TimeSpan interval, TimeProvider clock, ILogger logger) : BackgroundService
{
    private readonly OutageLog _outages = new(work, logger, clock);

    /// <summary>The clock that times the rounds.</summary>
    protected TimeProvider Clock => clock;

    /// <summary>Whether the first round runs at process start instead of one interval later.</summary>
    protected virtual bool RunsAtStart => false;

    /// <summary>The time to wait after a failed round. Default: the interval.</summary>
    protected virtual TimeSpan RetryInterval => interval;

    /// <summary>Runs one round.</summary>
    public abstract Task RunOnceAsync(CancellationToken cancellationToken);

    /// <inheritdoc />
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(interval, clock);
        try
        {
            var isDue = RunsAtStart || await timer.WaitForNextTickAsync(stoppingToken);
            while (isDue)
            {
                try
                {
                    await RunOnceAsync(stoppingToken);
                    _outages.Succeeded();
                    timer.Period = interval;
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    _outages.Failed(exception);
                    timer.Period = RetryInterval;
                }
                isDue = await timer.WaitForNextTickAsync(stoppingToken);
            }
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // A stop is not a failure, whatever it interrupts: some drivers report a cancelled statement as an error of theirs.
        }
    }
}

/// <summary>Registers background work.</summary>
public static class BackgroundRegistration
{
    /// <summary>Registers a hosted service that other components can also resolve.</summary>
    public static IServiceCollection AddHostedSingleton<T>(this IServiceCollection services)
        where T : class, IHostedService =>
        services.AddSingleton<T>().AddHostedService(provider => provider.GetRequiredService<T>());
}
