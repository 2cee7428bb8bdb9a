using System.Security.Cryptography;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Domain;

/// <summary>
/// The keys tokens are signed with: made in time, shared by all replicas through the database, forgotten when the last token signed with
/// them has expired. A new one is in the snapshot at least a minute before it signs.
/// </summary>
internal sealed partial class KeyRing(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, PaymentTime payment, TimeProvider clock, ILogger<KeyRing> logger) : BackgroundService
{
    private static readonly TimeSpan Announced = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    // The longest lifetime a pass can be given for one concert.
    private static readonly TimeSpan LongestPass = TimeSpan.FromHours(4);

    private readonly SemaphoreSlim _loading = new(1, 1);
    private volatile List<QueueKey> _keys = [];

    /// <summary>The key to sign with now, for a token that expires then.</summary>
    public async ValueTask<QueueKey> SigningKeyAsync(QueueTokenKind kind, DateTimeOffset exp, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        return Find() ?? await LoadAsync();

        QueueKey? Find()
        {
            QueueKey? newest = null;
            foreach (var key in _keys.Where(key => key.Kind == kind && key.SignsFrom <= now).OrderByDescending(key => key.SignsFrom))
            {
                // One that was made late lets the one before it sign on, until everybody can know it.
                if (key.CreatedAt + Announced <= now && key.ValidUntil >= exp)
                    return key;
                newest ??= key;
            }
            return newest;
        }

        async Task<QueueKey> LoadAsync()
        {
            await RefreshAsync(cancellationToken);
            return Find() ?? throw new InvalidOperationException($"There is no key of the kind {kind}.");
        }
    }

    /// <summary>Makes keys where this replica knows of none.</summary>
    public Task MakeFirstAsync(CancellationToken cancellationToken) => _keys.Count > 0 ? Task.CompletedTask : RefreshAsync(cancellationToken);

    /// <summary>Makes what is missing, deletes what has expired, and reads what is there, as other replicas may have made it.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _loading.WaitAsync(cancellationToken);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
            var now = clock.GetUtcNow();
            var keys = await database.Keys.AsNoTracking().ToListAsync(cancellationToken);
            var missing = Enum.GetValues<QueueTokenKind>().SelectMany(kind => MissingOf(kind, keys, now)).ToList();
            foreach (var key in missing)
                await AddAsync(database, key, cancellationToken);
            if (keys.Exists(key => key.ValidUntil <= now))
            {
                await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
                await database.Keys.Where(key => key.ValidUntil <= now).ExecuteDeleteAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }
            _keys = missing.Count == 0 ? keys.FindAll(key => key.ValidUntil > now)
                : await database.Keys.AsNoTracking().Where(key => key.ValidUntil > now).ToListAsync(cancellationToken);
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <summary>A key as gateways get it.</summary>
    public static QueueTokenKey Publish(QueueKey key)
    {
        if (key.Kind == QueueTokenKind.Waiting)
            return new QueueTokenKey(key.Kid, key.Kind, Convert.ToBase64String(key.Key), key.ValidUntil);
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportPkcs8PrivateKey(key.Key, out _);
        return new QueueTokenKey(key.Kid, key.Kind, Convert.ToBase64String(ecdsa.ExportSubjectPublicKeyInfo()), key.ValidUntil);
    }

    public override void Dispose()
    {
        base.Dispose();
        _loading.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            do
            {
                try
                {
                    await RefreshAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogNotRefreshed(exception.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    // One for now, and soon before its end the next one.
    private IEnumerable<QueueKey> MissingOf(QueueTokenKind kind, List<QueueKey> keys, DateTimeOffset now)
    {
        var rotation = options.Value.KeyRotation;
        var end = keys.Where(key => key.Kind == kind).Select(key => (DateTimeOffset?)key.SignsUntil).Max();
        if (end is null || end <= now)
            yield return Make(kind, end = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % rotation.Ticks), TimeSpan.Zero), now);
        else if (end - (rotation / 10) <= now)
            yield return Make(kind, end.Value, now);
    }

    private QueueKey Make(QueueTokenKind kind, DateTimeOffset? from, DateTimeOffset now)
    {
        var until = from!.Value + options.Value.KeyRotation;
        var longest = payment.ExpOf(default(DateTimeOffset) + LongestPass) - default(DateTimeOffset);
        if (options.Value.PlaceLifetime > longest)
            longest = options.Value.PlaceLifetime;
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new QueueKey
        {
            Kid = Guid.CreateVersion7(now).ToString("N"),
            Kind = kind,
            Key = kind == QueueTokenKind.Waiting ? RandomNumberGenerator.GetBytes(32) : ecdsa.ExportPkcs8PrivateKey(),
            CreatedAt = now,
            SignsFrom = from.Value,
            SignsUntil = until,
            // An hour for whoever signs a little late.
            ValidUntil = until + longest + TimeSpan.FromHours(1)
        };
    }

    private static async Task AddAsync(QueueDbContext database, QueueKey key, CancellationToken cancellationToken)
    {
        database.Keys.Add(key);
        try
        {
            await database.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException)
        {
            // Another replica was first, and its key is as good.
        }
        database.ChangeTracker.Clear();
    }

    [LoggerMessage(5004, LogLevel.Warning, "The keys of queue tokens could not be read; those that are known are used on: {Reason}")]
    private partial void LogNotRefreshed(string reason);
}
