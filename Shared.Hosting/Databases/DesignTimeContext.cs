using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>
/// Lets the migration tool make a context without starting the process. Each owner derives one class per server; the addresses are never
/// connected to.
/// </summary>
public abstract class DesignTimeContext<TContext>(DatabaseProvider provider, Func<DbContextOptions<TContext>, TContext> create)
    : IDesignTimeDbContextFactory<TContext>
    where TContext : DbContext
{
    /// <inheritdoc />
    public TContext CreateDbContext(string[] args)
    {
        var options = new DbContextOptionsBuilder<TContext>();
        DatabaseRegistration.Use(options, provider, provider switch
        {
            DatabaseProvider.Sqlite => "Data Source=design-time.db",
            DatabaseProvider.PostgreSql => "Host=design-time",
            _ => "Server=design-time"
        });
        return create(options.Options);
    }
}
