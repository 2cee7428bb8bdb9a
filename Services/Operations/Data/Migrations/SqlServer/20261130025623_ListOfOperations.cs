using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Operations.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class ListOfOperations : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_Operations_StartedAt_OperationId",
                table: "Operations",
                columns: new[] { "StartedAt", "OperationId" },
                filter: "\"StartedAt\" IS NOT NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Operations_StartedAt_OperationId",
                table: "Operations");
        }
    }
}
