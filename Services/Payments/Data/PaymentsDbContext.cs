using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Data;

public abstract class PaymentsDbContext(DbContextOptions options) : ServiceDbContext(options)
{
    public DbSet<Payment> Payments => Set<Payment>();

    public DbSet<OperatorAction> OperatorActions => Set<OperatorAction>();

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Payment>(payment =>
        {
            payment.HasKey(p => p.ReservationId);
            payment.Property(p => p.ReservationId).ValueGeneratedNever();
            payment.Property(p => p.UserId).HasMaxLength(200);
            payment.Property(p => p.Status).HasConversion<string>().HasMaxLength(16).IsConcurrencyToken();
            payment.HasIndex(p => p.PaymentId).IsUnique();
        });
        model.AddOperatorActions();
    }
}

public sealed class SqlitePaymentsDbContext(DbContextOptions<SqlitePaymentsDbContext> options) : PaymentsDbContext(options);

public sealed class PostgreSqlPaymentsDbContext(DbContextOptions<PostgreSqlPaymentsDbContext> options) : PaymentsDbContext(options);

public sealed class SqlServerPaymentsDbContext(DbContextOptions<SqlServerPaymentsDbContext> options) : PaymentsDbContext(options);

// Used by the migration tool only.
internal sealed class SqliteDesign() : DesignTimeContext<SqlitePaymentsDbContext>(DatabaseProvider.Sqlite, o => new(o));

internal sealed class PostgreSqlDesign() : DesignTimeContext<PostgreSqlPaymentsDbContext>(DatabaseProvider.PostgreSql, o => new(o));

internal sealed class SqlServerDesign() : DesignTimeContext<SqlServerPaymentsDbContext>(DatabaseProvider.SqlServer, o => new(o));
