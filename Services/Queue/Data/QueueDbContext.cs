using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Data;

public abstract class QueueDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public DbSet<QueueEntry> Entries => Set<QueueEntry>();

    public DbSet<WaitingRoom> Rooms => Set<WaitingRoom>();

    public DbSet<RoomSample> Samples => Set<RoomSample>();

    public DbSet<SigningKey> Keys => Set<SigningKey>();

    public DbSet<QueueMark> Marks => Set<QueueMark>();

    /// <summary>
    /// Locks a waiting room for the rest of the transaction. Each transaction that issues, ends or offers entries begins with it.
    /// </summary>
    /// <returns>The row, which only the caller changes until the commit; null if the concert is unknown.</returns>
    public async Task<WaitingRoom?> LockAsync(int concertId, CancellationToken cancellationToken)
    {
        var room = Rooms.Where(row => row.ConcertId == concertId);
        var locked = await room.ExecuteUpdateAsync(set => set.SetProperty(row => row.Sequence, row => row.Sequence), cancellationToken);
        return locked == 0 ? null : await room.SingleAsync(cancellationToken);
    }

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<QueueEntry>(entry =>
        {
            entry.ToTable("QueueTokens");
            entry.HasKey(e => e.TokenId);
            entry.Property(e => e.TokenId).ValueGeneratedNever();
            entry.Property(e => e.UserId).HasMaxLength(200);
            entry.Property(e => e.Status).HasConversion<string>().HasMaxLength(16);
            // One live entry per customer and concert, from any number of devices. The customer comes first, so that entering has no other
            // index to choose, even if the server's statistics of a fast-growing table are stale.
            entry.HasIndex(e => new { e.UserId, e.ConcertId }).IsUnique().HasFilter("\"Status\" IN ('Waiting', 'Offered', 'Active')");
            // Counts how often a customer has entered lately without buying.
            entry.HasIndex(e => new { e.UserId, e.ConcertId }, "IX_QueueTokens_Unused").HasFilter("\"Status\" IN ('Left', 'Expired')");
            // The line.
            entry.HasIndex(e => new { e.ConcertId, e.Number }).IsUnique();
            // The slots that are taken.
            entry.HasIndex(e => new { e.ConcertId, e.SlotUntil }).HasFilter("\"SlotUntil\" IS NOT NULL");
            // The revocations that gateways must know.
            entry.HasIndex(e => e.Exp).HasFilter("\"RevokedSequence\" IS NOT NULL");
        });
        model.Entity<WaitingRoom>(room =>
        {
            room.ToTable("QueueCounters");
            room.HasKey(r => r.ConcertId);
            room.Property(r => r.ConcertId).ValueGeneratedNever();
            room.Property(r => r.Gaps).HasMaxLength(4000);
        });
        model.Entity<RoomSample>(sample =>
        {
            sample.ToTable("QueueSamples");
            sample.HasKey(s => new { s.ConcertId, s.At });
        });
        model.Entity<SigningKey>(key =>
        {
            key.ToTable("QueueKeys");
            key.HasKey(k => k.Kid);
            key.Property(k => k.Kid).HasMaxLength(64);
            key.Property(k => k.Kind).HasConversion<string>().HasMaxLength(16);
            key.Property(k => k.Key).HasMaxLength(512);
            key.HasIndex(k => new { k.Kind, k.SignsFrom }).IsUnique();
        });
        model.Entity<QueueMark>(mark =>
        {
            mark.ToTable("QueueMarks");
            mark.HasKey(m => m.Name);
            mark.Property(m => m.Name).HasMaxLength(64);
        });
        model.AddOperatorActions();
    }
}

public sealed class SqliteQueueDbContext(DbContextOptions<SqliteQueueDbContext> options) : QueueDbContext(options);

public sealed class PostgreSqlQueueDbContext(DbContextOptions<PostgreSqlQueueDbContext> options) : QueueDbContext(options);

public sealed class SqlServerQueueDbContext(DbContextOptions<SqlServerQueueDbContext> options) : QueueDbContext(options);

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteQueueDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlQueueDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerQueueDbContext>(DatabaseProvider.SqlServer, o => new(o));
