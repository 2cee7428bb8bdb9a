using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Data;

public abstract class PointsDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public DbSet<Account> Accounts => Set<Account>();

    public DbSet<LedgerEntry> LedgerEntries => Set<LedgerEntry>();

    public DbSet<PointDeduction> PointDeductions => Set<PointDeduction>();

    public DbSet<PointRefund> PointRefunds => Set<PointRefund>();

    public DbSet<ChargeKey> ChargeKeys => Set<ChargeKey>();

    public DbSet<OperatorAction> OperatorActions => Set<OperatorAction>();

    /// <summary>
    /// Locks accounts until the transaction ends. It must be the first statement of every transaction that changes points or decides about
    /// them. A missing account is created; if two transactions create it at once, one fails on the key and is retried.
    /// </summary>
    /// <param name="userIds">Distinct.</param>
    /// <param name="lockWait">Ends the wait for other transactions.</param>
    public async Task<Dictionary<string, Account>> LockAccountsAsync(string[] userIds, CancellationToken lockWait)
    {
        var accounts = (await LockAsync(userIds, lockWait)).ToDictionary(account => account.UserId, StringComparer.Ordinal);
        foreach (var userId in userIds.Where(userId => !accounts.ContainsKey(userId)))
            accounts.Add(userId, Accounts.Add(new Account(userId)).Entity);
        if (ChangeTracker.HasChanges())
            await SaveChangesAsync(lockWait);
        return accounts;
    }

    /// <summary>Locks one account like <see cref="LockAccountsAsync"/>.</summary>
    public async Task<Account> LockAccountAsync(string userId, CancellationToken cancellationToken) =>
        (await LockAccountsAsync([userId], cancellationToken))[userId];

    /// <summary>Locks the accounts that exist, and no other is read.</summary>
    protected virtual async Task<List<Account>> LockAsync(string[] userIds, CancellationToken lockWait)
    {
        var rows = Accounts.Where(account => userIds.Contains(account.UserId));
        while (true)
        {
            var locked = await rows.ExecuteUpdateAsync(
                set => set.SetProperty(account => account.EntryCount, account => account.EntryCount), lockWait);
            var accounts = await rows.ToListAsync(CancellationToken.None);
            if (accounts.Count == locked)
                return accounts;
            // An account was created between the two statements.
            accounts.ForEach(account => Entry(account).State = EntityState.Detached);
        }
    }

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Account>(account =>
        {
            account.HasKey(a => a.UserId);
            account.Property(a => a.UserId).HasMaxLength(200);
            account.Property(a => a.EntryCount).IsConcurrencyToken();
            // A last line of defence: the code never makes a balance negative.
            account.ToTable(table => table.HasCheckConstraint("CK_Accounts_Balance", "\"Balance\" >= 0"));
        });
        model.Entity<LedgerEntry>(entry =>
        {
            entry.HasKey(e => e.EntryId);
            entry.Property(e => e.EntryId).ValueGeneratedNever();
            entry.Property(e => e.UserId).HasMaxLength(200);
            entry.Property(e => e.Kind).HasConversion<string>().HasMaxLength(16);
            // For listing the entries of a user, newest first, page by page.
            entry.HasIndex(e => new { e.UserId, e.Sequence }).IsUnique();
        });
        model.Entity<PointDeduction>(deduction =>
        {
            deduction.HasKey(d => new { d.ReservationId, d.Attempt });
            deduction.Property(d => d.UserId).HasMaxLength(200);
            deduction.Property(d => d.Status).HasConversion<string>().HasMaxLength(16);
            deduction.Property(d => d.Code).HasMaxLength(64);
            // For the cleaner. A successful deduction never touches this index.
            deduction.HasIndex(d => d.CreatedAt).HasFilter("\"Status\" = 'Refused'");
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
            // For the cleaner.
            key.HasIndex(k => k.CreatedAt);
        });
        model.AddOperatorActions();
    }
}

public sealed class SqlitePointsDbContext(DbContextOptions<SqlitePointsDbContext> options) : PointsDbContext(options);

public sealed class PostgreSqlPointsDbContext(DbContextOptions<PostgreSqlPointsDbContext> options) : PointsDbContext(options)
{
    // An update would leave a dead row version for each lock, and does not promise an order. Two transactions that lock in the order of the
    // ids cannot deadlock.
    protected override Task<List<Account>> LockAsync(string[] userIds, CancellationToken lockWait) => Accounts.FromSql(
        $"""SELECT * FROM "Accounts" WHERE "UserId" = ANY ({userIds}) ORDER BY "UserId" FOR NO KEY UPDATE""").ToListAsync(lockWait);
}

public sealed class SqlServerPointsDbContext(DbContextOptions<SqlServerPointsDbContext> options) : PointsDbContext(options);

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqlitePointsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlPointsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerPointsDbContext>(DatabaseProvider.SqlServer, o => new(o));
