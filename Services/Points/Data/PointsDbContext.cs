using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Data;

public abstract class PointsDbContext : DbContext
{
    protected PointsDbContext(DbContextOptions options)
        : base(options) =>
        // A transaction here is undone as a whole, never in parts; a savepoint before each save would cost a round trip for nothing.
        Database.AutoSavepointsEnabled = false;

    public DbSet<Account> Accounts => Set<Account>();

    public DbSet<LedgerEntry> LedgerEntries => Set<LedgerEntry>();

    public DbSet<PointDeduction> PointDeductions => Set<PointDeduction>();

    public DbSet<PointRefund> PointRefunds => Set<PointRefund>();

    public DbSet<ChargeKey> ChargeKeys => Set<ChargeKey>();

    /// <summary>
    /// Takes the user's account for the rest of the transaction: the first statement of everything that moves points or decides about it, so
    /// that all of it happens one after the other for one user. An account that is not there yet is opened; where two do that at the same
    /// moment, one fails on the key and is tried again.
    /// </summary>
    public async Task<Account> LockAccountAsync(string userId, CancellationToken cancellationToken)
    {
        var locked = await Accounts.Where(account => account.UserId == userId).ExecuteUpdateAsync(
            set => set.SetProperty(account => account.EntryCount, account => account.EntryCount), cancellationToken);
        if (locked == 1)
            return await Accounts.SingleAsync(account => account.UserId == userId, cancellationToken);

        var opened = new Account(userId);
        Accounts.Add(opened);
        await SaveChangesAsync(cancellationToken);
        return opened;
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder conventions) => conventions.UseProductConventions(this);

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Account>(account =>
        {
            account.HasKey(a => a.UserId);
            account.Property(a => a.UserId).HasMaxLength(200);
            account.Property(a => a.EntryCount).IsConcurrencyToken();
            // The code never gets here; the last line should it ever.
            account.ToTable(table => table.HasCheckConstraint("CK_Accounts_Balance", "\"Balance\" >= 0"));
        });
        model.Entity<LedgerEntry>(entry =>
        {
            entry.HasKey(e => e.EntryId);
            entry.Property(e => e.EntryId).ValueGeneratedNever();
            entry.Property(e => e.UserId).HasMaxLength(200);
            entry.Property(e => e.Kind).HasConversion<string>().HasMaxLength(16);
            // A user's entries, newest first, page by page.
            entry.HasIndex(e => new { e.UserId, e.Sequence }).IsUnique();
        });
        model.Entity<PointDeduction>(deduction =>
        {
            deduction.HasKey(d => new { d.ReservationId, d.Attempt });
            deduction.Property(d => d.UserId).HasMaxLength(200);
            deduction.Property(d => d.Status).HasConversion<string>().HasMaxLength(16);
            deduction.Property(d => d.Code).HasMaxLength(64);
        });
        model.Entity<PointRefund>(refund =>
        {
            refund.HasKey(r => r.ReservationId);
            refund.Property(r => r.ReservationId).ValueGeneratedNever();
            refund.Property(r => r.UserId).HasMaxLength(200);
        });
        model.Entity<ChargeKey>(key =>
        {
            key.HasKey(k => new { k.UserId, k.IdempotencyKey });
            key.Property(k => k.UserId).HasMaxLength(200);
            // What the cleaner looks for.
            key.HasIndex(k => k.CreatedAt);
        });
    }
}

public sealed class SqlitePointsDbContext(DbContextOptions<SqlitePointsDbContext> options) : PointsDbContext(options);

public sealed class PostgreSqlPointsDbContext(DbContextOptions<PostgreSqlPointsDbContext> options) : PointsDbContext(options);

public sealed class SqlServerPointsDbContext(DbContextOptions<SqlServerPointsDbContext> options) : PointsDbContext(options);

// For the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqlitePointsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlPointsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerPointsDbContext>(DatabaseProvider.SqlServer, o => new(o));
