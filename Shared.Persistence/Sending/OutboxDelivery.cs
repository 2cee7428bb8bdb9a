using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Delivers the messages of committed units of work from memory, and runs the sweeper and the cleaner. It pauses while the broker is down.
/// </summary>
internal sealed class OutboxDelivery<TDbContext>(
    IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, OutboxSender<TDbContext> sender,
    OutboxSweeper<TDbContext> sweeper, OutboxCleaner<TDbContext> cleaner, GroupCommit<TDbContext> groups, TimeProvider clock,
    ILogger<OutboxDelivery<TDbContext>> logger)
    : BackgroundService, IHostedLifecycleService
    where TDbContext : DbContext
{
    private const int Workers = 16;
    private const int MaxWaiting = 10_000;

    private static readonly TimeSpan HealthInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MaxRest = TimeSpan.FromSeconds(2);

    private readonly DateTime _startedAt = clock.GetUtcNow().UtcDateTime;
    private readonly OutageReport _sweeping = new($"Sweeping the outbox of {typeof(TDbContext).Name}", logger, clock);

    // A full channel drops units; the sweeper finds them in the tables.
    private readonly Channel<(Guid OutboxId, OutboxMessage[] Messages)> _committed =
        Channel.CreateBounded<(Guid, OutboxMessage[])>(MaxWaiting);

    /// <summary>Enqueues the messages of a unit of work that has just been committed.</summary>
    public void Enqueue(Guid outboxId, OutboxMessage[] messages)
    {
        if (options.BusOutboxDelivery)
            _committed.Writer.TryWrite((outboxId, messages));
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Writes the last receipts after the bus has stopped, so that the next start does not resend these messages.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken) => groups.IdleAsync(cancellationToken);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var workers = Enumerable.Range(0, Workers).Select(_ => DeliverCommittedAsync()).ToArray();
        try
        {
            if (options.DeliveredRetention > TimeSpan.Zero)
                await RepeatAsync(ResendKeptAsync, once: true, stoppingToken).ConfigureAwait(false);
            await RepeatAsync(SweepAndCleanAsync, once: false, stoppingToken).ConfigureAwait(false);
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // Some drivers report a cancelled statement as an error of theirs.
        }
        // Messages that requests committed during the shutdown still go out. The sweeper sends the rest after the next start.
        _committed.Writer.TryComplete();
        await Task.WhenAll(workers).ConfigureAwait(false);
    }

    private async Task DeliverCommittedAsync()
    {
        await foreach (var (outboxId, messages) in _committed.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            // The tables hold these messages too, so a broker outage must not fill the memory with them.
            if (!sender.IsBusHealthy)
                continue;
            var sent = await sender.SendAsync(messages, isFirst: true, CancellationToken.None).ConfigureAwait(false);
            groups.Mark(DeliveryReceipt.Of(messages, sent, null, outboxId));
        }
    }

    private async Task<bool> ResendKeptAsync(TDbContext database, CancellationToken stoppingToken)
    {
        await sweeper.ResendKeptAsync(database, _startedAt, stoppingToken).ConfigureAwait(false);
        return false;
    }

    private async Task<bool> SweepAndCleanAsync(TDbContext database, CancellationToken stoppingToken)
    {
        var more = await sweeper.SweepAsync(database, stoppingToken).ConfigureAwait(false);
        var started = clock.GetTimestamp();
        if (!await cleaner.CleanAsync(database, stoppingToken).ConfigureAwait(false))
            return more;
        // Deleting many old rows takes at most a fifth of the time, so it does not hold up the work of the service. A slow deletion does
        // not hold up the sweeper for long.
        var rest = 4 * clock.GetElapsedTime(started);
        await Task.Delay(rest < MaxRest ? rest : MaxRest, clock, stoppingToken).ConfigureAwait(false);
        return true;
    }

    private async Task RepeatAsync(Func<TDbContext, CancellationToken, Task<bool>> round, bool once, CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            var more = false;
            try
            {
                await WaitForBusAsync(stoppingToken).ConfigureAwait(false);
                await using var scope = scopes.CreateAsyncScope();
                var database = scope.ServiceProvider.GetRequiredService<TDbContext>();
                database.Database.SetCommandTimeout(options.QueryTimeout);
                more = await round(database, stoppingToken).ConfigureAwait(false);
                _sweeping.Succeeded();
                failures = 0;
                if (once)
                    return;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                _sweeping.Failed(exception);
                failures++;
            }
            if (!more)
                await Task.Delay(DelayAfter(failures), clock, stoppingToken).ConfigureAwait(false);
        }
    }

    // Backs off exponentially while the broker or the database fails.
    private TimeSpan DelayAfter(int failures) =>
        TimeSpan.FromTicks(Math.Min(options.QueryDelay.Ticks << Math.Min(failures, 5), MaxDelay.Ticks));

    private async Task WaitForBusAsync(CancellationToken stoppingToken)
    {
        while (!sender.IsBusHealthy)
            await Task.Delay(HealthInterval, clock, stoppingToken).ConfigureAwait(false);
    }
}
