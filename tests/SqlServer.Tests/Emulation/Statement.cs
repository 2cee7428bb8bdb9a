using Microsoft.Data.SqlClient;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>A statement that the product sent to SQL Server.</summary>
/// <param name="Owner">The owner of the database.</param>
/// <param name="Text">T-SQL.</param>
/// <param name="Parameters">The parameters with their types.</param>
internal sealed record Statement(string Owner, string Text, IReadOnlyList<SqlParameter> Parameters);
