using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Data;

public abstract class QueueDbContext : DbContext
{
    protected QueueDbContext(DbContextOptions options)
        : base(options) =>
        // A transaction here is undone as a whole, never in parts; a savepoint before each save would cost a round trip for nothing.
        Database.AutoSavepointsEnabled = false;

    public DbSet<QueueToken> Tokens => Set<QueueToken>();

    public DbSet<QueueCounter> Counters => Set<QueueCounter>();

    public DbSet<QueueKey> Keys => Set<QueueKey>();

    /// <summary>
    /// Takes a waiting room for the rest of the transaction: the first statement of everything that gives, ends or offers places.
    /// </summary>
    /// <returns>Its row, which only the caller changes until the commit; null where the concert is unknown.</returns>
    public async Task<QueueCounter?> LockAsync(int concertId, CancellationToken cancellationToken)
    {
        var counter = Counters.Where(row => row.ConcertId == concertId);
        var locked = await counter.ExecuteUpdateAsync(set => set.SetProperty(row => row.Sequence, row => row.Sequence), cancellationToken);
        return locked == 0 ? null : await counter.SingleAsync(cancellationToken);
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder conventions) => conventions.UseProductConventions(this);

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<QueueToken>(token =>
        {
            token.ToTable("QueueTokens");
            token.HasKey(t => t.TokenId);
            token.Property(t => t.TokenId).ValueGeneratedNever();
            token.Property(t => t.UserId).HasMaxLength(200);
            token.Property(t => t.Status).HasConversion<string>().HasMaxLength(16);
            // One place per person and concert, from however many devices. By person first: what entering looks for can then be answered by
            // no other index, whatever the server believes of a table that has grown since it last looked.
            token.HasIndex(t => new { t.UserId, t.ConcertId }).IsUnique().HasFilter("\"Status\" IN ('Waiting', 'Offered', 'Active')");
            // The line.
            token.HasIndex(t => new { t.ConcertId, t.Number }).IsUnique();
            // The slots that are taken.
            token.HasIndex(t => new { t.ConcertId, t.SlotUntil }).HasFilter("\"SlotUntil\" IS NOT NULL");
            // What gateways have to know to be ended.
            token.HasIndex(t => t.Exp).HasFilter("\"RevokedSequence\" IS NOT NULL");
        });
        model.Entity<QueueCounter>(counter =>
        {
            counter.ToTable("QueueCounters");
            counter.HasKey(c => c.ConcertId);
            counter.Property(c => c.ConcertId).ValueGeneratedNever();
        });
        model.Entity<QueueKey>(key =>
        {
            key.ToTable("QueueKeys");
            key.HasKey(k => k.Kid);
            key.Property(k => k.Kid).HasMaxLength(64);
            key.Property(k => k.Kind).HasConversion<string>().HasMaxLength(16);
            key.Property(k => k.Key).HasMaxLength(512);
            key.HasIndex(k => new { k.Kind, k.SignsFrom }).IsUnique();
        });
    }
}

public sealed class SqliteQueueDbContext(DbContextOptions<SqliteQueueDbContext> options) : QueueDbContext(options);

public sealed class PostgreSqlQueueDbContext(DbContextOptions<PostgreSqlQueueDbContext> options) : QueueDbContext(options);

public sealed class SqlServerQueueDbContext(DbContextOptions<SqlServerQueueDbContext> options) : QueueDbContext(options);

// For the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteQueueDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlQueueDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerQueueDbContext>(DatabaseProvider.SqlServer, o => new(o));
