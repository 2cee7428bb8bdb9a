using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace ConcertSaga.Orchestrator.Data;

public abstract class OrchestratorDbContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<Reservation> Reservations => Set<Reservation>();

    public DbSet<ReservationTransition> Transitions => Set<ReservationTransition>();

    protected override void ConfigureConventions(ModelConfigurationBuilder conventions) => conventions.UseProductConventions(this);

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Reservation>(reservation =>
        {
            reservation.ToTable("Reservations");
            reservation.HasKey(r => r.CorrelationId);
            reservation.Property(r => r.CorrelationId).HasColumnName("ReservationId").ValueGeneratedNever();
            reservation.Property(r => r.CurrentState).HasMaxLength(32);
            reservation.Property(r => r.UserId).HasMaxLength(200);
            reservation.Property(r => r.UnpaidUserId).HasMaxLength(200);
            reservation.Property(r => r.Outcome).HasMaxLength(32);
            reservation.Property(r => r.FailureCode).HasMaxLength(64);
            reservation.Property(r => r.FailureDetail).HasMaxLength(500);
            reservation.Property(r => r.RequestHash).HasMaxLength(64);
            reservation.Property(r => r.Version).IsConcurrencyToken();
            reservation.Property(r => r.SeatNumbers).HasMaxLength(500).HasConversion(
                numbers => string.Join(',', numbers),
                text => text.Length == 0 ? Array.Empty<int>() : Array.ConvertAll(text.Split(','), int.Parse),
                new ValueComparer<int[]>((a, b) => a!.SequenceEqual(b!), a => a.Length, a => a));

            reservation.HasIndex(r => r.UnpaidUserId).IsUnique();
            reservation.HasIndex(r => new { r.UserId, r.IdempotencyKey }).IsUnique();
            // A pass buys once; also when that was given back later.
            reservation.HasIndex(r => r.QueueTokenId).IsUnique().HasFilter("\"QueueTokenId\" IS NOT NULL AND \"ConfirmedAt\" IS NOT NULL");
            reservation.HasIndex(r => new { r.UserId, r.CreatedAt });
            reservation.HasIndex(r => r.Deadline);
            reservation.HasIndex(r => r.StuckSince);
            // For /internal/outcomes. Every step of a reservation changes UpdatedAt; with the filter only the last one of a paid reservation is
            // written here. On PostgreSQL the seven writes of a reservation put 88 bytes more into its log than without the index; without the
            // filter it was 588, an eighth of them all.
            reservation.HasIndex(r => new { r.UpdatedAt, r.CorrelationId }).HasFilter("\"ConfirmedAt\" IS NOT NULL");
            reservation.HasMany(r => r.Transitions).WithOne().HasForeignKey(t => t.ReservationId);
        });
        model.Entity<ReservationTransition>(transition =>
        {
            transition.ToTable("ReservationTransitions");
            transition.HasKey(t => new { t.ReservationId, t.Sequence });
            transition.Property(t => t.Sequence).ValueGeneratedNever();
            transition.Property(t => t.Trigger).HasMaxLength(64);
            transition.Property(t => t.FromState).HasMaxLength(32);
            transition.Property(t => t.ToState).HasMaxLength(32);
            transition.Property(t => t.Detail).HasMaxLength(500);
        });
        model.AddTransactionalOutboxEntities();
    }
}

public sealed class SqliteOrchestratorDbContext(DbContextOptions<SqliteOrchestratorDbContext> options) : OrchestratorDbContext(options);

public sealed class PostgreSqlOrchestratorDbContext(DbContextOptions<PostgreSqlOrchestratorDbContext> options) : OrchestratorDbContext(options);

public sealed class SqlServerOrchestratorDbContext(DbContextOptions<SqlServerOrchestratorDbContext> options) : OrchestratorDbContext(options);

// For the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqliteOrchestratorDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlOrchestratorDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerOrchestratorDbContext>(DatabaseProvider.SqlServer, o => new(o));
