using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Data;

public abstract class DataPlatformDbContext : DbContext
{
    public const int MostError = 500;

    protected DataPlatformDbContext(DbContextOptions options)
        : base(options) =>
        // A transaction here is undone as a whole, never in parts; a savepoint before each save would cost a round trip for nothing.
        Database.AutoSavepointsEnabled = false;

    public DbSet<Delivery> Deliveries => Set<Delivery>();

    public DbSet<DeliveryAttempt> Attempts => Set<DeliveryAttempt>();

    public DbSet<DeliveryAction> Actions => Set<DeliveryAction>();

    public DbSet<Destination> Destinations => Set<Destination>();

    protected override void ConfigureConventions(ModelConfigurationBuilder conventions) => conventions.UseProductConventions(this);

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Delivery>(delivery =>
        {
            delivery.ToTable("Deliveries");
            delivery.HasKey(d => d.DeliveryId);
            delivery.Property(d => d.DeliveryId).ValueGeneratedNever();
            delivery.Property(d => d.EventType).HasMaxLength(64);
            delivery.Property(d => d.Status).HasConversion<string>().HasMaxLength(16);
            delivery.Property(d => d.LastError).HasMaxLength(MostError);
            delivery.HasIndex(d => new { d.ReservationId, d.EventType }).IsUnique();
            // What is due. Nothing else is in it, however many were delivered.
            delivery.HasIndex(d => d.NextAttemptAt).HasFilter("\"Status\" = 'Pending'");
            // The dead letters, and what operators look through.
            delivery.HasIndex(d => d.CreatedAt, "IX_Deliveries_Dead").HasFilter("\"Status\" = 'Dead'");
            delivery.HasIndex(d => new { d.CreatedAt, d.DeliveryId });
        });
        model.Entity<DeliveryAttempt>(attempt =>
        {
            attempt.ToTable("DeliveryAttempts");
            attempt.HasKey(a => new { a.DeliveryId, a.Number });
            attempt.Property(a => a.Number).ValueGeneratedNever();
            attempt.Property(a => a.Error).HasMaxLength(MostError);
            attempt.HasOne<Delivery>().WithMany().HasForeignKey(a => a.DeliveryId).OnDelete(DeleteBehavior.Cascade);
        });
        model.Entity<DeliveryAction>(action =>
        {
            action.ToTable("DeliveryActions");
            action.HasKey(a => a.ActionId);
            action.Property(a => a.ActionId).ValueGeneratedNever();
            action.Property(a => a.Kind).HasMaxLength(16);
            action.Property(a => a.By).HasMaxLength(200);
            action.Property(a => a.Reason).HasMaxLength(500);
            action.HasIndex(a => a.DeliveryId);
        });
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

public sealed class PostgreSqlDataPlatformDbContext(DbContextOptions<PostgreSqlDataPlatformDbContext> options) : DataPlatformDbContext(options);

public sealed class SqlServerDataPlatformDbContext(DbContextOptions<SqlServerDataPlatformDbContext> options) : DataPlatformDbContext(options);

// For the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteDataPlatformDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlDataPlatformDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerDataPlatformDbContext>(DatabaseProvider.SqlServer, o => new(o));
