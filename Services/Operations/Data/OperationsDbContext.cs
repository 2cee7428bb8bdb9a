using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.Data;

public abstract class OperationsDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public const int MaxTypeLength = 300, MaxExceptionLength = 1_000, MaxReasonLength = 500, MaxDetailLength = 1_000;

    public DbSet<FailedMessage> FailedMessages => Set<FailedMessage>();

    public DbSet<Operation> Operations => Set<Operation>();

    public DbSet<OperationItem> OperationItems => Set<OperationItem>();

    public DbSet<OperatorAction> OperatorActions => Set<OperatorAction>();

    public DbSet<InvariantCheck> InvariantChecks => Set<InvariantCheck>();

    public DbSet<InvariantFinding> InvariantFindings => Set<InvariantFinding>();

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<FailedMessage>(message =>
        {
            message.HasKey(m => m.FailedMessageId);
            message.Property(m => m.Queue).HasMaxLength(100);
            message.Property(m => m.Kind).HasConversion<string>().HasMaxLength(16);
            message.Property(m => m.MessageId).HasMaxLength(255);
            message.Property(m => m.MessageType).HasMaxLength(MaxTypeLength);
            message.Property(m => m.ExceptionType).HasMaxLength(MaxTypeLength);
            message.Property(m => m.ExceptionMessage).HasMaxLength(MaxExceptionLength);
            message.Property(m => m.Fingerprint).HasMaxLength(64);
            message.Property(m => m.Status).HasConversion<string>().HasMaxLength(16);
            message.Property(m => m.ContentType).HasMaxLength(255);
            // Rejects a second copy of one delivery.
            message.HasIndex(m => new { m.Queue, m.Kind, m.MessageId, m.Fingerprint }).IsUnique();
            // For the list and the dry runs, which read one range for each kind, and for the counts. Any filter may match few of many rows.
            // The last columns of the second one spare the counts and combined filters the rows, which are large.
            message.HasIndex(m => new { m.Status, m.Kind, m.FailedMessageId });
            message.HasIndex(m => new { m.Status, m.Kind, m.Queue, m.FailedMessageId, m.MessageType, m.ExceptionType, m.ReceivedAt },
                "IX_FailedMessages_OfQueue");
            message.HasIndex(m => new { m.Status, m.Kind, m.MessageType, m.FailedMessageId }, "IX_FailedMessages_OfType");
            message.HasIndex(m => new { m.Status, m.Kind, m.ExceptionType, m.FailedMessageId }, "IX_FailedMessages_OfException");
            // For the cleaner.
            message.HasIndex(m => m.CompletedAt).HasFilter("\"CompletedAt\" IS NOT NULL");
        });
        model.Entity<Operation>(operation =>
        {
            operation.HasKey(o => o.OperationId);
            operation.Property(o => o.OperationId).ValueGeneratedNever();
            operation.Property(o => o.Kind).HasConversion<string>().HasMaxLength(16);
            operation.Property(o => o.Status).HasConversion<string>().HasMaxLength(16);
            operation.Property(o => o.Operator).HasMaxLength(200);
            operation.Property(o => o.Reason).HasMaxLength(MaxReasonLength);
            operation.Property(o => o.CustomerId).HasMaxLength(200);
            operation.Property(o => o.Pseudonym).HasMaxLength(64);
            // For the runner, which looks every second.
            operation.HasIndex(o => o.StartedAt).HasFilter("\"Status\" = 'Running'");
            operation.HasIndex(o => o.CreatedAt);
            operation.HasIndex(o => new { o.StartedAt, o.OperationId }).HasFilter("\"StartedAt\" IS NOT NULL");
            // One erasure of a customer at a time. Two would give the owners different ids.
            operation.HasIndex(o => o.CustomerId).IsUnique().HasFilter("\"CustomerId\" IS NOT NULL");
        });
        model.Entity<OperationItem>(item =>
        {
            item.HasKey(i => new { i.OperationId, i.Number });
            item.Property(i => i.Number).ValueGeneratedNever();
            item.Property(i => i.Outcome).HasConversion<string>().HasMaxLength(16);
            item.Property(i => i.Reason).HasMaxLength(MaxReasonLength);
            item.HasOne<Operation>().WithMany().HasForeignKey(i => i.OperationId).OnDelete(DeleteBehavior.Cascade);
        });
        model.Entity<InvariantCheck>(check =>
        {
            check.HasKey(c => c.Invariant);
            check.Property(c => c.Invariant).HasConversion<string>().HasMaxLength(32);
            check.Property(c => c.Cursor).HasMaxLength(500);
            // Of two replicas that both believe to have the lease, one saves.
            check.Property(c => c.LeaseId).IsConcurrencyToken();
            check.HasData(Enum.GetValues<InvariantKind>().Select(kind => new InvariantCheck { Invariant = kind }));
        });
        model.Entity<InvariantFinding>(finding =>
        {
            finding.HasKey(f => new { f.Invariant, f.Subject });
            finding.Property(f => f.Invariant).HasConversion<string>().HasMaxLength(32);
            finding.Property(f => f.Subject).HasMaxLength(300);
            finding.Property(f => f.Detail).HasMaxLength(MaxDetailLength);
        });
        model.AddOperatorActions();
    }
}

public sealed class SqliteOperationsDbContext(DbContextOptions<SqliteOperationsDbContext> options) : OperationsDbContext(options);

public sealed class PostgreSqlOperationsDbContext(DbContextOptions<PostgreSqlOperationsDbContext> options) : OperationsDbContext(options);

public sealed class SqlServerOperationsDbContext(DbContextOptions<SqlServerOperationsDbContext> options) : OperationsDbContext(options);

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteOperationsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlOperationsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerOperationsDbContext>(DatabaseProvider.SqlServer, o => new(o));
