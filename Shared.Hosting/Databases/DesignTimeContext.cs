using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>
/// Creates a context for the migration tool without starting the process. Each owner derives one class per server. The tool never connects
/// to the addresses below.
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
