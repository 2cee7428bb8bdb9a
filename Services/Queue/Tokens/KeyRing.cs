using System.Security.Cryptography;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Tokens;

/// <summary>
/// Creates, shares and deletes the keys that sign queue tokens. All replicas share them through the database. The snapshot contains a new
/// key at least a minute before the key signs.
/// </summary>
internal sealed class KeyRing(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, PaymentTime payment, TimeProvider clock, ILogger<KeyRing> logger)
    : PeriodicTask("Refreshing the keys of queue tokens", TimeSpan.FromSeconds(10), clock, logger)
{
    private static readonly TimeSpan AnnouncementLead = TimeSpan.FromMinutes(1);

    // Deletion is late, because a clock that is ahead for a while must not destroy keys of valid tokens.
    private static readonly TimeSpan RetentionAfterExpiry = TimeSpan.FromDays(30);

    // The upper limit of Queue:PassLifetime, also for the settings of one concert.
    private static readonly TimeSpan MaxPassLifetime = TimeSpan.FromHours(4);

    private readonly SemaphoreSlim _loading = new(1, 1);
    private readonly TimeProvider _clock = clock;
    private volatile List<SigningKey> _keys = [];
    private volatile string? _problem;

    /// <summary>Explains why the last refresh failed; null if it succeeded.</summary>
    public string? Problem => _problem;

    /// <summary>Finds the key that signs now, for a token with the given expiry.</summary>
    public async ValueTask<SigningKey> FindSigningKeyAsync(QueueTokenKind kind, DateTimeOffset exp, CancellationToken cancellationToken)
    {
        var now = _clock.GetUtcNow();
        return Find() ?? await LoadAsync();

        SigningKey? Find()
        {
            SigningKey? newest = null;
            foreach (var key in _keys.Where(key => key.Kind == kind && key.SignsFrom <= now).OrderByDescending(key => key.SignsFrom))
            {
                // Until all gateways can know a key that was created late, the key before it keeps signing.
                if (key.CreatedAt + AnnouncementLead <= now && key.ValidUntil >= exp)
                    return key;
                newest ??= key;
            }
            return newest;
        }

        async Task<SigningKey> LoadAsync()
        {
            await RefreshAsync(cancellationToken);
            return Find() ?? throw new InvalidOperationException($"There is no signing key of the kind {kind}.");
        }
    }

    /// <summary>Creates the first keys if this replica has none.</summary>
    public Task EnsureFirstAsync(CancellationToken cancellationToken) =>
        _keys.Count > 0 ? Task.CompletedTask : RefreshAsync(cancellationToken);

    /// <summary>Creates missing keys, deletes expired ones, and reads the keys of other replicas.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _loading.WaitAsync(cancellationToken);
        try
        {
            await ReadAsync(cancellationToken);
            _problem = null;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            _problem = "The keys of queue tokens cannot be refreshed; the known keys stay in use. The log has the reason.";
            throw;
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <summary>Converts a key to the form for gateways.</summary>
    public static QueueTokenKey ToTokenKey(SigningKey key)
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

    protected override bool RunsAtStart => true;

    public override Task RunOnceAsync(CancellationToken cancellationToken) => RefreshAsync(cancellationToken);

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        var now = _clock.GetUtcNow();
        var keys = await database.Keys.AsNoTracking().ToListAsync(cancellationToken);
        var missing = Enum.GetValues<QueueTokenKind>().SelectMany(kind => MissingOf(kind, keys, now)).ToList();
        foreach (var key in missing)
            await AddAsync(database, key, cancellationToken);
        var expired = now - RetentionAfterExpiry;
        if (keys.Exists(key => key.ValidUntil <= expired))
        {
            await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
            await database.Keys.Where(key => key.ValidUntil <= expired).ExecuteDeleteAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        _keys = missing.Count == 0 ? keys.FindAll(key => key.ValidUntil > now)
            : await database.Keys.AsNoTracking().Where(key => key.ValidUntil > now).ToListAsync(cancellationToken);
    }

    // One key for now, and the next one shortly before it ends.
    private IEnumerable<SigningKey> MissingOf(QueueTokenKind kind, List<SigningKey> keys, DateTimeOffset now)
    {
        var rotation = options.Value.KeyRotation;
        // A clock that was ahead may have created keys of later periods. They wait, and the periods before them get keys of their own.
        var end = keys.Where(key => key.Kind == kind && key.SignsFrom <= now + (rotation / 10))
            .Select(key => (DateTimeOffset?)key.SignsUntil).Max();
        if (end is null || end <= now)
            yield return Create(kind, new DateTimeOffset(now.UtcTicks - (now.UtcTicks % rotation.Ticks), TimeSpan.Zero), now);
        else if (end - (rotation / 10) <= now)
            yield return Create(kind, end.Value, now);
    }

    private SigningKey Create(QueueTokenKind kind, DateTimeOffset from, DateTimeOffset now)
    {
        var until = from + options.Value.KeyRotation;
        var maxLifetime = payment.ExpOf(default(DateTimeOffset) + MaxPassLifetime) - default(DateTimeOffset);
        if (options.Value.PlaceLifetime > maxLifetime)
            maxLifetime = options.Value.PlaceLifetime;
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new SigningKey
        {
            Kid = Guid.CreateVersion7(now).ToString("N"),
            Kind = kind,
            Key = kind == QueueTokenKind.Waiting ? RandomNumberGenerator.GetBytes(32) : ecdsa.ExportPkcs8PrivateKey(),
            CreatedAt = now,
            SignsFrom = from,
            SignsUntil = until,
            // One hour more, for replicas that sign with it a little late.
            ValidUntil = until + maxLifetime + TimeSpan.FromHours(1)
        };
    }

    private static async Task AddAsync(QueueDbContext database, SigningKey key, CancellationToken cancellationToken)
    {
        database.Keys.Add(key);
        try
        {
            await database.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException)
        {
            // Another replica was first; its key serves equally well.
        }
        database.ChangeTracker.Clear();
    }
}
