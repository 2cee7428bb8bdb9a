using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Data;

public abstract class DataPlatformDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public const int MaxErrorLength = 500;

    public DbSet<Delivery> Deliveries => Set<Delivery>();

    public DbSet<DeliveryAttempt> Attempts => Set<DeliveryAttempt>();

    public DbSet<OperatorAction> Actions => Set<OperatorAction>();

    public DbSet<Destination> Destinations => Set<Destination>();

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Delivery>(delivery =>
        {
            delivery.ToTable("Deliveries");
            delivery.HasKey(d => d.DeliveryId);
            delivery.Property(d => d.DeliveryId).ValueGeneratedNever();
            delivery.Property(d => d.EventType).HasMaxLength(64);
            // The length of a traceparent of version 00.
            delivery.Property(d => d.TraceParent).HasMaxLength(55);
            delivery.Property(d => d.Status).HasConversion<string>().HasMaxLength(16);
            delivery.Property(d => d.LastError).HasMaxLength(MaxErrorLength);
            delivery.HasIndex(d => new { d.ReservationId, d.EventType }).IsUnique();
            // Contains only pending rows, so it stays small however many were delivered.
            delivery.HasIndex(d => d.NextAttemptAt).HasFilter("\"Status\" = 'Pending'");
            // For the list of operators and the cleaner, which read it part by part. Both a type and a status can be rare. The type comes
            // first, so that no server prefers this index to the one of pending rows.
            delivery.HasIndex(d => new { d.EventType, d.Status, d.CreatedAt, d.DeliveryId });
        });
        model.Entity<DeliveryAttempt>(attempt =>
        {
            attempt.ToTable("DeliveryAttempts");
            attempt.HasKey(a => new { a.DeliveryId, a.Number });
            attempt.Property(a => a.Number).ValueGeneratedNever();
            attempt.Property(a => a.Error).HasMaxLength(MaxErrorLength);
            attempt.HasOne<Delivery>().WithMany().HasForeignKey(a => a.DeliveryId).OnDelete(DeleteBehavior.Cascade);
        });
        model.AddOperatorActions();
        model.Entity<Destination>(destination =>
        {
            destination.ToTable("Destinations");
            destination.HasKey(d => d.Name);
            destination.Property(d => d.Name).HasMaxLength(64);
            destination.Property(d => d.PausedBy).HasMaxLength(200);
            destination.Property(d => d.PauseReason).HasMaxLength(500);
            destination.HasData(new Destination { Name = Destination.Platform });
        });
    }
}

public sealed class SqliteDataPlatformDbContext(DbContextOptions<SqliteDataPlatformDbContext> options) : DataPlatformDbContext(options);

public sealed class PostgreSqlDataPlatformDbContext(DbContextOptions<PostgreSqlDataPlatformDbContext> options)
    : DataPlatformDbContext(options);

public sealed class SqlServerDataPlatformDbContext(DbContextOptions<SqlServerDataPlatformDbContext> options)
    : DataPlatformDbContext(options);

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteDataPlatformDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlDataPlatformDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerDataPlatformDbContext>(DatabaseProvider.SqlServer, o => new(o));
