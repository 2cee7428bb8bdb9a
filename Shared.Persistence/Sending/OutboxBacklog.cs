using System.Diagnostics.Metrics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Counts the undelivered messages of all processes that share an outbox's database, once per
/// <see cref="EntityFrameworkOutboxOptions{TDbContext}.QueryDelay"/>. It also publishes them as the gauges <c>outbox.backlog</c> and
/// <c>outbox.oldest_age</c> of the meter <c>ConcertSaga</c>.
/// </summary>
/// <typeparam name="TDbContext">The outbox's context.</typeparam>
public sealed class OutboxBacklog<TDbContext> : BackgroundService
    where TDbContext : DbContext
{
    // Operators need no exact number beyond this, and counting more would slow an overloaded database further.
    private const int MaxCounted = 100_000;

    private readonly IServiceScopeFactory _scopes;
    private readonly EntityFrameworkOutboxOptions<TDbContext> _options;
    private readonly TimeProvider _clock;
    private readonly Meter _meter = new("ConcertSaga");

    /// <summary>Used by the container.</summary>
    public OutboxBacklog(IServiceScopeFactory scopes, EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock)
    {
        _scopes = scopes;
        _options = options;
        _clock = clock;
        var context = new KeyValuePair<string, object?>("context", typeof(TDbContext).Name);
        _meter.CreateObservableGauge("outbox.backlog", () => new Measurement<int>(Messages, context), "{message}",
            "Undelivered outbox messages, at most 100,000.");
        _meter.CreateObservableGauge("outbox.oldest_age", () => new Measurement<double>(OldestAge.TotalSeconds, context), "s",
            "Age of the oldest undelivered outbox message.");
    }

    /// <summary>The number of undelivered messages that are due, at most 100,000.</summary>
    public int Messages { get; private set; }

    /// <summary>The age of the oldest message that two successive queries have found; otherwise zero.</summary>
    public TimeSpan OldestAge { get; private set; }

    /// <summary>Completes when all committed messages that are due have been delivered, by this or another process.</summary>
    public async Task IdleAsync(CancellationToken cancellationToken = default)
    {
        while ((await MeasureAsync(0, cancellationToken).ConfigureAwait(false)).Messages > 0)
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
        // The messages that the first query finds are older than this process.
        var newest = long.MaxValue;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                (Messages, OldestAge, newest) = await MeasureAsync(newest, stoppingToken).ConfigureAwait(false);
            }
            catch (Exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The database's health check reports this; the last numbers stay.
            }
            await Task.Delay(_options.QueryDelay, _clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Queries the messages that are not delivered.</summary>
    internal static IQueryable<OutboxMessage> Undelivered(TDbContext database, EntityFrameworkOutboxOptions<TDbContext> options)
    {
        var outboxes = database.Set<OutboxState>();
        var inboxes = database.Set<InboxState>();
        var messages = database.Set<OutboxMessage>().AsNoTracking();
        return options.DeliveredRetention == TimeSpan.Zero ? messages : messages.Where(row => row.OutboxId != null
            ? outboxes.Any(state => state.OutboxId == row.OutboxId && state.Delivered == null)
            : inboxes.Any(state => state.MessageId == row.InboxMessageId && state.ConsumerId == row.InboxConsumerId
                && state.Delivered == null));
    }

    // A message that the previous query did not find has no age yet: its delivery may be in progress.
    private async Task<(int Messages, TimeSpan OldestAge, long Newest)> MeasureAsync(long newestBefore, CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var now = _clock.GetUtcNow().UtcDateTime;
        var waiting = Undelivered(scope.ServiceProvider.GetRequiredService<TDbContext>(), _options)
            .Where(row => row.EnqueueTime == null || row.EnqueueTime <= now);
        var messages = await waiting.OrderBy(row => row.SequenceNumber).Take(MaxCounted).CountAsync(cancellationToken)
            .ConfigureAwait(false);
        if (messages == 0)
            return (0, TimeSpan.Zero, 0);
        var oldest = await waiting.Where(row => row.SequenceNumber <= newestBefore).OrderBy(row => row.SequenceNumber)
            .Select(row => (DateTime?)(row.EnqueueTime ?? row.SentTime)).FirstOrDefaultAsync(cancellationToken).ConfigureAwait(false);
        var newest = await waiting.OrderByDescending(row => row.SequenceNumber).Select(row => row.SequenceNumber)
            .FirstOrDefaultAsync(cancellationToken).ConfigureAwait(false);
        // A fast clock may have dated the message in the future.
        return (messages, oldest is null || oldest > now ? TimeSpan.Zero : now - oldest.Value, newest);
    }
}
