using System.Diagnostics.Metrics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// What an outbox has decided to send and not yet delivered, of all processes that share its database: as of the last look, which is not
/// older than <see cref="EntityFrameworkOutboxOptions{TDbContext}.QueryDelay"/> while the database answers. Also as the gauges
/// <c>outbox.backlog</c> and <c>outbox.oldest_age</c> of the meter <c>ConcertSaga</c>.
/// </summary>
/// <typeparam name="TDbContext">The outbox's context.</typeparam>
public sealed class OutboxBacklog<TDbContext> : BackgroundService
    where TDbContext : DbContext
{
    // More than anybody needs to know exactly, and not so many that counting them would add to the trouble.
    private const int MostCounted = 100_000;

    private readonly IServiceScopeFactory _scopes;
    private readonly EntityFrameworkOutboxOptions<TDbContext> _options;
    private readonly TimeProvider _clock;
    private readonly Meter _meter = new("ConcertSaga");

    /// <summary>Used by the container.</summary>
    public OutboxBacklog(IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock)
    {
        (_scopes, _options, _clock) = (scopes, options, clock);
        var context = new KeyValuePair<string, object?>("context", typeof(TDbContext).Name);
        _meter.CreateObservableGauge("outbox.backlog", () => new Measurement<int>(Messages, context), "{message}", "Messages that wait to be delivered, at most 100,000.");
        _meter.CreateObservableGauge("outbox.oldest_age", () => new Measurement<double>(OldestAge.TotalSeconds, context), "s", "Age of the oldest message that waits to be delivered.");
    }

    /// <summary>How many messages wait, at most 100,000; delayed messages whose time has not come are not among them.</summary>
    public int Messages { get; private set; }

    /// <summary>How long the oldest had waited; zero while no two looks have seen the same message.</summary>
    public TimeSpan OldestAge { get; private set; }

    /// <summary>Completes when everything that is committed has been delivered, by whichever process.</summary>
    public async Task IdleAsync(CancellationToken cancellationToken = default)
    {
        while ((await LookAsync(0, cancellationToken).ConfigureAwait(false)).Messages > 0)
            await Task.Delay(TimeSpan.FromMilliseconds(10), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // What is there at the first look has waited since before this process.
        var newest = long.MaxValue;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                (Messages, OldestAge, newest) = await LookAsync(newest, stoppingToken).ConfigureAwait(false);
            }
            catch (Exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The database's own health check says so; what was seen last stays.
            }
            await Task.Delay(_options.QueryDelay, _clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Messages that are not delivered and whose time has come.</summary>
    internal static IQueryable<OutboxMessage> Waiting(TDbContext database, EntityFrameworkOutboxOptions<TDbContext> options, DateTime now)
    {
        var (outboxes, inboxes) = (database.Set<OutboxState>(), database.Set<InboxState>());
        var due = database.Set<OutboxMessage>().AsNoTracking().Where(row => row.EnqueueTime == null || row.EnqueueTime <= now);
        return options.DeliveredRetention == TimeSpan.Zero ? due : due.Where(row => row.OutboxId != null
            ? outboxes.Any(state => state.OutboxId == row.OutboxId && state.Delivered == null)
            : inboxes.Any(state => state.MessageId == row.InboxMessageId && state.ConsumerId == row.InboxConsumerId && state.Delivered == null));
    }

    // A message that was not there at the last look has not waited yet: it may be leaving at this moment.
    private async Task<(int Messages, TimeSpan OldestAge, long Newest)> LookAsync(long newestBefore, CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var now = _clock.GetUtcNow().UtcDateTime;
        var waiting = Waiting(scope.ServiceProvider.GetRequiredService<TDbContext>(), _options, now);
        var messages = await waiting.OrderBy(row => row.SequenceNumber).Take(MostCounted).CountAsync(cancellationToken).ConfigureAwait(false);
        if (messages == 0)
            return (0, TimeSpan.Zero, 0);
        var oldest = await waiting.Where(row => row.SequenceNumber <= newestBefore).OrderBy(row => row.SequenceNumber)
            .Select(row => (DateTime?)(row.EnqueueTime ?? row.SentTime)).FirstOrDefaultAsync(cancellationToken).ConfigureAwait(false);
        var newest = await waiting.OrderByDescending(row => row.SequenceNumber).Select(row => row.SequenceNumber).FirstOrDefaultAsync(cancellationToken).ConfigureAwait(false);
        return (messages, oldest is null ? TimeSpan.Zero : now - oldest.Value, newest);
    }
}
